begin;
\ir ../_fixtures.sql
select plan(13);

create function public.have_no_luck() returns text language plpgsql as $$ begin raise exception 'no luck'; end $$;
create function public.rename_everybody() returns text language sql volatile as $$ update public.guest set name = 'x' returning 'x' $$;

select refused(format('select campaign.start_campaign(''custom'', ''thanks'', audience_query => %L)', w.query), 'CP010', w.says || '{one SELECT}'::text[], w.what)
from (values
  ('a syntax error', 'selekt 1', '{syntax error}'::text[]),
  ('columns missing', 'select 1 as id', '{recipient_key}'),
  ('vars that are no JSON', 'select ''1'' as recipient_key, ''a@example.com'' as email, ''{'' as vars', '{json}'),
  ('two statements', 'select ''1'' as recipient_key, ''a@example.com'' as email, ''{}''::jsonb as vars) q; delete from public.guest; select (1', '{}'),
  ('a statement that changes data', 'with gone as (delete from public.guest returning *) select id::text as recipient_key, email, ''{}''::jsonb as vars from gone', '{}'),
  ('a function that changes data', 'select public.rename_everybody() as recipient_key, ''a@example.com'' as email, ''{}''::jsonb as vars', '{read-only}'),
  ('more than memory holds', 'select repeat(''x'', 2000000000) as recipient_key, ''a@example.com'' as email, ''{}''::jsonb as vars', '{too large}'),
  ('a function that fails', 'select public.have_no_luck() as recipient_key, ''a@example.com'' as email, ''{}''::jsonb as vars', '{no luck}'),
  ('a table that is missing', 'select * from public.gast', '{public.gast}'),
  ('a table without its schema', 'select * from guest', '{guest,schema}')) as w (what, query, says);

select results_eq('select id, name from public.guest order by id', $$ values (1, 'Ada Lovelace'), (2, 'Grace Hopper'), (3, 'Alan Turing') $$, 'no guest is lost or changed');
select refused($$ select campaign.start_campaign('guests', 'thanks', audience_query => 'select 1') $$, 'CP010', '{guests,custom}', 'a query of one''s own goes with custom only');
select is_empty('select from campaign.email_jobs', 'nothing was started');

select * from finish();
rollback;
