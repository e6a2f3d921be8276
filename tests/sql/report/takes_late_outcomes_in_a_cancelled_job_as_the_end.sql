-- Guard: cancelmark (a report looks at the job before it moves the mark).
begin;
\ir ../_protocol.sql
select plan(7);

select start_job(6, '{"chunk_size": 6}') as job \gset
select claim(1);
select report(1, :job, 1, 4);
select campaign.cancel_campaign(job_id(:job));
select is(report(1, :job, 1, 6, '1 sent, 2 deferred 451'), '{"go": [3, 4], "mark": 4, "verdict": "stop"}', 'the mark stays; go tells what there is to give back');
select is_empty('select from campaign.retry_item', 'nothing is tried again');
select is(release(1, :job, 1, '3 uncertain, 4 returned'), '{"go": [], "mark": 4, "verdict": "ok"}', 'the rest is given back');
select campaign.tick();
select is(states(:job), '1 sent, 2 cancelled, 3 uncertain, 4 cancelled, 5 cancelled, 6 cancelled', 'everybody has an end');
select is((select (status, sent_count, uncertain_count, cancelled_count)::text from campaign.email_jobs), '(cancelled,1,1,4)', 'and is counted');
select is((select state from campaign.chunk), 'cancelled', 'the chunk is closed');
select books_hold(:job);

select * from finish();
rollback;
