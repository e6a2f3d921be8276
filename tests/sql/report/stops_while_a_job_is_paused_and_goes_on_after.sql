begin;
\ir ../_protocol.sql
select plan(5);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select report(1, :job, 1, 2);
select campaign.pause_campaign(job_id(:job));
select is(report(1, :job, 1, 4, '1 sent'), '{"go": [2], "mark": 2, "verdict": "stop"}', 'the outcome counts, the mark stays; go tells what there is to give back');
select is((select count(*) from campaign.attempt), 1::bigint, 'it is recorded');
select campaign.resume_campaign(job_id(:job));
select is(report(1, :job, 1, 4), '{"go": [2, 3, 4], "mark": 4, "verdict": "ok"}', 'the lease was kept');
select campaign.pause_campaign(job_id(:job));
select is(report(1, :job, 1, null, '2 sent, 3 sent, 4 sent') ->> 'verdict', 'done', 'what is all told is done, paused or not');
select books_hold(:job);

select * from finish();
rollback;
