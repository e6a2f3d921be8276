begin;
\ir ../_fixtures.sql
\ir ../_digest.sql
select plan(6);

create table public.visit (n integer);
create function public.note() returns text language plpgsql as $$ begin insert into public.visit values (1); return 'k'; end $$;
insert into campaign.segments (name, query) values
  ('writes', $$ select public.note() as recipient_key, 'a@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars $$);

select digest() as before \gset
select is((select total_contacts from campaign.plan_campaign('guests', 'thanks')), 3::bigint, 'a plan');
select is(digest(), :'before', 'leaves every table as it was');
select refused($$ select campaign.plan_campaign('writes', 'thanks') $$, 'CP010', '{read-only}', 'a query that writes is refused');
select is_empty('select from public.visit', 'before it has written');
select lives_ok('insert into public.visit values (2)', 'the transaction around it may write afterwards');

set local transaction_read_only = on;
select is((select total_contacts from campaign.plan_campaign('guests', 'thanks')), 3::bigint, 'it works in a read-only transaction');

select * from finish();
rollback;
