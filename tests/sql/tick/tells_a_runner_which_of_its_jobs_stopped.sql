begin;
\ir ../_protocol.sql
select plan(4);

select start_job(1) as job \gset
select claim(1);
select is(campaign.tick(runner(1)), '{"stopped": []}', 'none');
select campaign.pause_campaign(job_id(:job));
select is(campaign.tick(runner(1)), jsonb_build_object('stopped', jsonb_build_array(:job)), 'paused');
select is(campaign.tick(runner(2)), '{"stopped": []}', 'its own only');
select is(campaign.tick(), '{"stopped": []}', 'a person may call it');

select * from finish();
rollback;
