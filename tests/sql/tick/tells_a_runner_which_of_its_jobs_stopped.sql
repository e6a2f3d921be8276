begin;
\ir ../_protocol.sql
select plan(4);

select start_job(1) as job \gset
select claim(1);
select is(campaign.tick(runner(1)), '{"stopped": [], "test_mail": false, "integration_test": false}', 'none');
select campaign.pause_campaign(job_id(:job));
select is(campaign.tick(runner(1)), jsonb_build_object('stopped', jsonb_build_array(:job), 'test_mail', false, 'integration_test', false), 'paused');
select is(campaign.tick(runner(2)), '{"stopped": [], "test_mail": false, "integration_test": false}', 'its own only');
select is(campaign.tick(), '{"stopped": [], "test_mail": false, "integration_test": false}', 'a person may call it');

select * from finish();
rollback;
