begin;
\ir ../_protocol.sql
select plan(8);

select start_job(2, '{"max_retries": 2}') as job \gset
select claim(1);
select report(1, :job, 1, 2);
select is(report(1, :job, 1, null, '1 deferred, 2 returned') ->> 'verdict', 'done', 'first attempt');
select retry(1) as retry \gset
select report(1, :job, :retry, 2);
select report(1, :job, :retry, null, '1 deferred, 2 deferred');
select is(states(:job), '1 failed, 2 pending', 'two attempts in all; what was returned had only one');
select is((select outcome || ' ' || detail from campaign.attempt where pos = 1 and chunk_no = :retry), 'failed reply', 'the last outcome is the reason');
select is((select array_agg(pos) from campaign.retry_item), '{2}', 'only one comes back');
select retry(1) as last \gset
select report(1, :job, :last, 2);
select report(1, :job, :last, null, '2 deferred');
select campaign.tick();
select is((select (status, failed_count, status_reason)::text from campaign.email_jobs), '(failed,2,"nothing was sent")', 'the job has an end');
select start_job(1, '{"max_retries": 1}') as once \gset
select claim(1);
select report(1, :once, 1, 1);
select report(1, :once, 1, null, '1 deferred');
select is(states(:once), '1 failed', 'one attempt in all is no retry');
select books_hold(:job);
select books_hold(:once);

select * from finish();
rollback;
