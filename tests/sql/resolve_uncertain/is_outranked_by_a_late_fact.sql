-- The runner was fenced with four mails under way; a person decides; then the runner is heard after all.
begin;
\ir ../_protocol.sql
select plan(11);

select start_job(4) as job \gset
select claim(1);
select report(1, :job, 1, 4);
select epoch_of(:job, 1) as epoch \gset
select fall_silent(1);
select campaign.recover_stale();
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 uncertain, 2 uncertain, 3 uncertain, 4 uncertain', 'four are uncertain');
select campaign.resolve_uncertain(job_id(:job), 'sent', '{p1@example.com,p2@example.com}');
select campaign.resolve_uncertain(job_id(:job), 'resend', '{p3@example.com,p4@example.com}');
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 pending', 'a person decides');
select books_hold(:job);

select report(1, :job, 1, null, '1 failed 550, 2 sent 250, 3 sent 250, 4 failed 550', :epoch) as late \gset
select is(:'late'::jsonb ->> 'verdict', 'fenced', 'the runner is heard');
select is(states(:job), '1 failed, 2 sent, 3 sent, 4 failed', 'what it knows holds');
select is_empty('select from campaign.retry_item', 'nobody is mailed again');
select books_hold(:job, 'the books hold at once');
select campaign.tick();
select is((select (status, sent_count, failed_count, uncertain_count)::text from campaign.email_jobs where job_no = :job), '(completed,2,2,0)', 'the counters follow');
select books_hold(:job);

select start_job(1) as under_way \gset
select campaign.register_runner(runner(1), 'host', 1, '0.1.0', 1);
select claim(1);
select report(1, :under_way, 1, 1);
select report(1, :under_way, 1, null, '1 uncertain');
select epoch_of(:under_way, 1) as epoch \gset
select campaign.resolve_uncertain(job_id(:under_way), 'resend', force => true);
select chunk_no as again from claim(2) \gset
select report(2, :under_way, :again, 1);
select report(2, :under_way, :again, null, '1 failed 550');
select campaign.tick();
select is(status(:under_way) || ': ' || states(:under_way), 'failed: 1 failed', 'a resend that is refused for good ends the doubt');
select books_hold(:under_way);

select * from finish();
rollback;
