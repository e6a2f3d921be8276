begin;
\ir ../_fixtures.sql
select plan(3);

insert into campaign.integration_test (integration_id, email, created_at, runner_id, passed, ended_at)
select i.id, 'old@example.com', campaign.now() - g * interval '1 min', gen_random_uuid(), false, campaign.now()
from campaign.email_integrations i, generate_series(1, 1005) g;
update campaign.integration_test set passed = null, ended_at = null, runner_id = null where created_at = campaign.now() - interval '1005 min';

select campaign.test_integration();
select is((select count(*) from campaign.integration_tests where state = 'failed'), 999::bigint, 'with the new one a thousand');
select is((select string_agg(state, ' ' order by created_at) from campaign.integration_tests where state <> 'failed'), 'waiting waiting', 'and what is not done yet, however old');
select is((select min(created_at) from campaign.integration_tests where state = 'failed'), campaign.now() - interval '999 min', 'the oldest are gone');

select * from finish();
rollback;
