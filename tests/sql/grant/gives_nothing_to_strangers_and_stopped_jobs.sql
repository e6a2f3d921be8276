begin;
\ir ../_protocol.sql
select plan(6);

select start_job(1) as job \gset
select i.id as relay from campaign.email_integrations i \gset
select is(campaign.grant(runner(9), :'relay', :job, 5) -> 'granted', '0', 'a runner that is not registered');
select is(campaign.grant(runner(1), gen_random_uuid(), :job, 5) -> 'granted', '0', 'an integration that is not the job''s');
select is(campaign.grant(runner(1), :'relay', :job, 0) -> 'granted', '0', 'nobody asked');
select is(campaign.grant(runner(1), :'relay', :job, -3) -> 'granted', '0', 'less than nothing');
select campaign.pause_campaign(job_id(:job));
select is(campaign.grant(runner(1), :'relay', :job, 5) -> 'granted', '0', 'a paused job');
select campaign.cancel_campaign(job_id(:job));
select is(campaign.grant(runner(1), :'relay', :job, 5) -> 'granted', '0', 'a cancelled job');

select * from finish();
rollback;
