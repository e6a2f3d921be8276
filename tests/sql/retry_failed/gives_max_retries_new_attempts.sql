begin;
\ir ../_protocol.sql
select plan(5);

select start_job(1, '{"max_retries": 2}') as job \gset
select claim(1);
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 deferred');
select retry(1) as second \gset
select report(1, :job, :second, 1);
select report(1, :job, :second, null, '1 deferred');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'failed: 1 failed', 'given up after two attempts');

select campaign.retry_failed(job_id(:job));
select chunk_no as third from claim(1) \gset
select report(1, :job, :third, 1);
select report(1, :job, :third, null, '1 deferred');
select is(states(:job), '1 pending', 'the first of two new attempts was not the last');
select retry(1) as fourth \gset
select report(1, :job, :fourth, 1);
select report(1, :job, :fourth, null, '1 deferred');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'failed: 1 failed', 'the second was');
select is((select attempts from campaign.recipient_state where job_no = :job), 4::bigint, 'four attempts in all');
select books_hold(:job);

select * from finish();
rollback;
