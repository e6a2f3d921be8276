begin;
select plan(6);

create temporary table named as
select distinct m[1] as name, type_this like '%' || m[1] || '(%' as is_function
from campaign.help(), regexp_matches(type_this, 'campaign\.(\w+)', 'g') m;

select cmp_ok((select count(*) from named), '>', 15::bigint, 'there is much to do');
select is_empty($$
  select n.name from named n
  where not exists (select from pg_proc p where p.pronamespace = 'campaign'::regnamespace and p.proname = n.name)
    and not exists (select from pg_class c where c.relnamespace = 'campaign'::regnamespace and c.relname = n.name) $$, 'all that it names is there');
select is_empty($$
  select p.proname from pg_proc p
  where p.pronamespace = 'campaign'::regnamespace and p.proname !~ '^_' and p.proname not in ('help', 'now')
    and has_function_privilege('campaign_operator', p.oid, 'execute')
  except select name from named $$, 'it names each function of an operator');
select is_empty($$
  select n.name from named n
  join pg_class c on c.relnamespace = 'campaign'::regnamespace and c.relname = n.name
  where not has_table_privilege('campaign_admin', c.oid, 'select') $$, 'and tables and views that an admin reads');
select is_empty($$ select from campaign.help() where btrim(to_do) = '' or btrim(type_this) = '' $$, 'each line says what and how');

-- Without psql's own commands each line is a statement.
create function parses(p_statement text) returns boolean language plpgsql as $$
begin
  execute format('prepare line as %s', replace(replace(p_statement, '''JOB''', '''00000000-0000-4000-8000-00000000000f'''), '''…''', 'null'));
  deallocate line;
  return true;
end
$$;
select ok((select bool_and(parses(type_this)) from campaign.help() where type_this !~ '^\\'), 'each line can be typed as it is');

select * from finish();
rollback;
