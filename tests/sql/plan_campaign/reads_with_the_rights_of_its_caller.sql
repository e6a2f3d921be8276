begin;
\ir ../_fixtures.sql
select plan(5);

create table public.secret as select 'a' as recipient_key, 'a@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars;
insert into campaign.segments (name, query) values ('secret', 'select * from public.secret');
create role carmen in role campaign_operator;
create role rita in role campaign_reader;

set local role carmen;
select is((select total_contacts from campaign.plan_campaign('guests', 'thanks')), 3::bigint, 'what the operator may read');
select refused($$ select campaign.plan_campaign('secret', 'thanks') $$, 'CP010', '{permission denied,your rights}', 'and nothing else');
select refused($$ select campaign.plan_campaign('custom', 'thanks', audience_query => 'select * from public.secret') $$, 'CP010', '{permission denied}', 'not by a query of one''s own either');
reset role;
grant select on public.secret to carmen;
set local role carmen;
select is((select total_contacts from campaign.plan_campaign('secret', 'thanks')), 1::bigint, 'until it is granted');
set local role rita;
select throws_ok($$ select campaign.plan_campaign('guests', 'thanks') $$, '42501', null, 'readers plan nothing');

select * from finish();
rollback;
