begin;
\ir ../_fixtures.sql
select plan(2);
select job_no from campaign.start_campaign('guests', 'thanks') \gset
select id as integration from campaign.email_integrations \gset

create role daemon in role campaign_runner;
set local role daemon;
select play_runner();
select is(campaign.integration_spec(:'integration') ->> 'password', 'hunter2', 'a runner gets the relay''s secret');
reset role;
select is((select sent_count from campaign.email_jobs where job_no = :job_no), 3::bigint, 'these are enough to send a campaign');

select * from finish();
rollback;
