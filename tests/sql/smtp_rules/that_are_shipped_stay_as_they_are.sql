begin;
\ir ../_refused.sql
select plan(8);

select cmp_ok((select count(*) from campaign.smtp_rules where builtin), '>', 40::bigint, 'there are shipped rules');
select refused('update campaign.smtp_rules set verdict = ''fail'' where id = 70', 'CP008', '{70,shipped,your own}', 'cannot be changed');
select refused('delete from campaign.smtp_rules where id = 70', 'CP008', '{70,shipped,your own}', 'cannot be deleted');
select refused('update campaign.smtp_rules set builtin = false, id = 2000 where id = 70', 'CP008', '{70,shipped}', 'nor taken over');
select refused('insert into campaign.smtp_rules (id, verdict, class, builtin) values (999, ''fail'', ''x'', true)', 'CP008', '{1000}', 'nor added to');
select refused('insert into campaign.smtp_rules (id, verdict, class) values (999, ''fail'', ''x'')', 'CP008', '{1000}', 'nor gone before');
select is((select c.condition from pg_extension e cross join lateral unnest(e.extconfig, e.extcondition) as c (relation, condition)
  where e.extname = 'pg_campaign' and c.relation = 'campaign.smtp_rules'::regclass), 'where not builtin', 'a dump leaves them out: a restore finds them there');
insert into campaign.smtp_rules (verdict, class) values ('fail', 'x');
delete from campaign.smtp_rules where not builtin;
select is_empty('select from campaign.smtp_rules where not builtin', 'own ones can go');

select * from finish();
rollback;
