begin;
\ir ../_protocol.sql
select plan(6);

select start_job(6, '{"chunk_size": 2}') as job \gset
select start_job(2) as other \gset
select claim(1, 3);
select is(campaign.heartbeat(runner(1), known(1)), '{"now_us": 1772128800000000, "stopped": [], "lost": []}', 'nothing changed');
select known(1) as known \gset
select advance('4 s');
select is(campaign.heartbeat(runner(1), :'known'), '{"now_us": 1772128804000000, "stopped": [], "lost": []}', 'and again');
select is((select heartbeat_at from campaign.runner where runner_id = runner(1)), campaign.now(), 'it was heard now');
select campaign.pause_campaign(job_id(:other));
select is(campaign.heartbeat(runner(1), :'known') -> 'stopped', jsonb_build_array(:other), 'a paused job has stopped');
select fall_silent(1);
select campaign.recover_stale();
select is(jsonb_array_length(campaign.heartbeat(runner(1), :'known') -> 'lost'), 3, 'leases that others took over are lost');
select ok(campaign.heartbeat(runner(1), :'known') -> 'lost' @> jsonb_build_array(:'known'::jsonb -> 0), 'named as the runner knows them');

select * from finish();
rollback;
