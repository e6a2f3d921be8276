begin;
\ir ../_protocol.sql
select plan(9);

select start_job(4) as job \gset
select claim(1);
select report(1, :job, 1, 4);
select report(1, :job, 1, null, '1 sent 250, 2 failed 550, 3 uncertain, 4 failed 554');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 sent, 2 failed, 3 uncertain, 4 failed', 'two have failed');

select is((select status from campaign.retry_failed(job_id(:job))), 'partial', 'the campaign goes on');
select is(states(:job), '1 sent, 2 pending, 3 uncertain, 4 pending', 'for those two');
select is((select (sent_count, failed_count, uncertain_count, completed_at is null)::text from campaign.email_jobs where job_no = :job), '(1,0,1,t)', 'the counters say so at once');
select books_hold(:job, 'the books hold while it goes on');

select chunk_no as again, positions from claim(1) \gset
select is(:'positions'::text, '{2,4}', 'a runner gets these two');
select report(1, :job, :again, 4);
select report(1, :job, :again, null, '2 sent 250, 4 failed 550');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 sent, 2 sent, 3 uncertain, 4 failed', 'one of them has the mail now');
select is((select (sent_count, failed_count, uncertain_count, jsonb_array_length(errors), errors -> 0 ->> 'attempts')::text from campaign.email_jobs where job_no = :job), '(2,1,1,1,2)',
  'the counters are right at the end');
select books_hold(:job);

select * from finish();
rollback;
