begin;
\ir ../_protocol.sql
select plan(20);

select start_job(6, '{"chunk_size": 3}') as job \gset
select start_job(2) as other \gset
select claim(1, 3);
select is(report(1, :job, 1, 3) -> 'go', '[1, 2, 3]', 'three are under way');
select report(1, :job, 2, 4);
select is(reply(1, :job, 1, 1, 'rcpt', '554 5.7.1 <p1@example.com>: Relay access denied'), '{"go": [2, 3], "mark": 3, "verdict": "stop"}', 'the runner is told to stop');
select is(status(:job) || ', ' || status(:other), 'paused, running', 'the campaign is paused, no other');
select is((select status_reason from campaign.email_jobs where job_no = :job),
  'relay relay takes no mail for others: 554 5.7.1 <p1@example.com>: Relay access denied. The relay does not take mail from us for others: check username, password and port in the integration''s config. Then resume_campaign.',
  'the reason says what, which answer, and what to do');
select is((select (outcome, verdict, class, smtp_code)::text from campaign.attempt where job_no = :job), '(returned,stop_job,relay_denied,554)', 'the fact');
select is((select attempts from campaign.recipient_state where job_no = :job and pos = 1), 0::bigint, 'no try is spent');
select is((select due - campaign.now() from campaign.retry_item where job_no = :job), interval '0', 'it is due now');
select is(report(1, :job, 2, 6), '{"go": [4], "mark": 4, "verdict": "stop"}', 'nothing more may be started, in no chunk');
select books_hold(:job);

select campaign.resume_campaign(job_id(:job));
select is(reply(1, :job, 1, 1, 'rcpt', '554 5.7.1 <p1@example.com>: Relay access denied') ->> 'verdict', 'ok', 'a call that is repeated after the campaign was resumed');
select is(status(:job), 'partial', 'does not pause it again');
select is(reply(1, :job, 1, 2, 'rcpt', '554 5.7.1 <p2@example.com>: Relay access denied') ->> 'verdict', 'stop', 'another answer does');
select is(status(:job), 'paused', 'of course');

select campaign.resume_campaign(job_id(:job));
select epoch_of(:job, 2) as old \gset
select fall_silent(1);
select campaign.recover_stale();
select campaign.heartbeat(runner(1), '[]');
select is(reply(1, :job, 2, 4, 'mail', '550 5.7.1 Sender not allowed', :old) ->> 'verdict', 'fenced', 'what a fenced runner tells');
select is(status(:job), 'partial', 'pauses nothing');
select is(states(:job), '1 pending, 2 pending, 3 uncertain, 4 pending, 5 pending, 6 pending', 'but is recorded');
select books_hold(:job);

select chunk_no as chunk from claim(2) where job_no = :job \gset
select report(2, :job, :chunk, 6);
select campaign.cancel_campaign(job_id(:job));
select reply(2, :job, :chunk, 5, 'mail', '550 5.7.1 Sender not allowed');
select is(status(:job), 'cancelled', 'a cancelled campaign stays cancelled');
select books_hold(:job);
select books_hold(:other);

select * from finish();
rollback;
