-- Guard: attemptno (one row for each attempt by each lease, never one for both).
begin;
\ir ../_protocol.sql
select plan(7);

select start_job(1, '{}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 1);
select fall_silent(1);
select campaign.tick();
select retry(2, '15 min') as retry \gset
select is(report(2, :job, :retry, 1) -> 'go', '[1]', 'the policy asked to send it again');
select report(2, :job, :retry, null, '1 sent');
select report(1, :job, 1, null, '1 sent', :epoch);
select is((select count(*) from campaign.attempt where outcome = 'sent'), 2::bigint, 'both are recorded');
select results_eq('select email, accepted, resend_asked from campaign.double_deliveries', $$ values ('p1@example.com', 2::bigint, true) $$, 'and shown');
select results_eq(format('select holds, detail from campaign.check_campaign(%L) where name = %L', job_id(:job), 'nobody was accepted twice unasked'),
  $$ values (true, '1 recipients with more than one accepted mail, 0 of them without a decision to resend: see double_deliveries') $$, 'and counted');
select books_hold(:job, 'it was asked for');
update campaign.doubt set resend_asked = false;
select results_eq(format('select name from campaign.check_campaign(%L) where not holds', job_id(:job)), array['nobody was accepted twice unasked'], 'which is what makes the difference');
select campaign.tick();
select is((select sent_count from campaign.email_jobs), 1::bigint, 'one recipient all the same');

select * from finish();
rollback;
