begin;
\ir ../_protocol.sql
select plan(6);

select start_job(3, '{"max_retries": 1}') as job \gset
select claim(1);
select report(1, :job, 1, 3);
select campaign.report(runner(1), jsonb_build_array(item(:job, 1) || '{"outcomes": [
  {"pos": 1, "outcome": "failed", "phase": "rcpt", "code": 550, "enhanced": "5.1.1", "detail": "no such user"},
  {"pos": 2, "outcome": "deferred", "phase": "connect"},
  {"pos": 3, "outcome": "sent", "phase": "dot", "code": 250}]}'));
select campaign.tick();
select set_eq('select job_id, pos, recipient_key, email, error, phase, smtp_code, enhanced_code, attempts, failed_at from campaign.failed_deliveries',
  format($$ values
    (%1$L::uuid, 1::bigint, '1', 'p1@example.com', '550 no such user', 'rcpt', 550, '5.1.1', 1::bigint, campaign.now()),
    (%1$L, 2, '2', 'p2@example.com', 'connect', 'connect', null, null, 1, campaign.now()) $$, job_id(:job)), 'refused for good, and out of attempts');
select is((select failed_count from campaign.email_jobs), (select count(*) from campaign.failed_deliveries), 'as many as are counted');

select campaign.retry_failed(job_id(:job));
select is_empty('select from campaign.failed_deliveries', 'who is tried again has not failed');
select chunk_no as again from claim(1) \gset
select report(1, :job, :again, 2);
select advance('1 s');
select report(1, :job, :again, null, '1 failed 552, 2 sent 250');
select is((select array_agg(concat_ws(' ', pos, error, attempts, failed_at = campaign.now())) from campaign.failed_deliveries), '{1 552 reply 2 t}', 'the last failure counts');
select campaign.tick();
select is((select (failed_count, sent_count)::text from campaign.email_jobs), '(1,2)', 'the counters agree');
select books_hold(:job);

select * from finish();
rollback;
