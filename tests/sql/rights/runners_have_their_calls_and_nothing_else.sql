begin;
\ir ../_fixtures.sql
select plan(4);
select job_no from campaign.start_campaign('guests', 'thanks') \gset
select id as integration from campaign.email_integrations \gset

select set_eq(
  $$ select p.proname::text from pg_proc p
     where p.pronamespace = 'campaign'::regnamespace and has_function_privilege('campaign_runner', p.oid, 'execute') $$,
  '{register_runner,unregister_runner,heartbeat,grant,claim_chunks,report,release,recover_stale,tick,job_spec,integration_spec,take_test_mail,report_test_mail,now}'::text[],
  'the calls of a runner, and the time');
select is_empty(
  $$ select c.relname from pg_class c
     where c.relnamespace = 'campaign'::regnamespace and c.relkind in ('r', 'v')
       and (has_table_privilege('campaign_runner', c.oid, 'select, insert, update, delete, truncate') or has_any_column_privilege('campaign_runner', c.oid, 'select, insert, update')) $$,
  'no table and no view');

create role daemon in role campaign_runner;
set local role daemon;
select play_runner();
select is(campaign.integration_spec(:'integration') ->> 'password', 'hunter2', 'a runner gets the relay''s secret');
reset role;
select is((select sent_count from campaign.email_jobs where job_no = :job_no), 3::bigint, 'these are enough to send a campaign');

select * from finish();
rollback;
