begin;
\ir ../_protocol.sql
select plan(15);

select start_job(3) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 uncertain, 2 uncertain');
select campaign.resolve_uncertain(job_id(:job), 'resend', '{p2@example.com}');
select release(1, :job, 1);
select campaign.cancel_campaign(job_id(:job));
select is(states(:job), '1 uncertain, 2 uncertain, 3 cancelled', 'a resend that was cut off is uncertain again');
select books_hold(:job);

select refused(format('select campaign.resolve_uncertain(%L, ''resend'')', job_id(:job)), 'CP011', '{cancelled,Decide sent}', 'nobody is mailed again');
select campaign.resolve_uncertain(job_id(:job), 'sent', '{p1@example.com}');
select is((select (status, sent_count, uncertain_count, cancelled_count)::text from campaign.email_jobs where job_no = :job), '(cancelled,1,1,1)', 'but may be said to have it');
select books_hold(:job);
select campaign.resolve_uncertain(job_id(:job), 'sent');
select is(states(:job), '1 sent, 2 sent, 3 cancelled', 'and the other too');
select books_hold(:job);

-- The resend was already in a runner's hand when the campaign was cancelled, and comes back unattempted.
select start_job(1) as in_hand \gset
select claim(1);
select report(1, :in_hand, 1, 1);
select report(1, :in_hand, 1, null, '1 uncertain');
select campaign.resolve_uncertain(job_id(:in_hand), 'resend', force => true);
select chunk_no as again from claim(1) \gset
select report(1, :in_hand, :again, 1);
select campaign.cancel_campaign(job_id(:in_hand));
select release(1, :in_hand, :again, '1 returned');
select campaign.tick();
select is(states(:in_hand), '1 uncertain', 'a resend that comes back unattempted leaves the first mail uncertain');
select is((select uncertain_count from campaign.email_jobs where job_no = :in_hand), 1::bigint, 'it is counted');
select is((select email from campaign.uncertain_deliveries where job_id = job_id(:in_hand)), 'p1@example.com', 'and listed');
select books_hold(:in_hand);
select lives_ok(format('select campaign.resolve_uncertain(%L, ''sent'', ''{p1@example.com}'')', job_id(:in_hand)), 'so that a person can decide');
select is(states(:in_hand), '1 sent', 'it is sent');
select is((select (status, sent_count, uncertain_count)::text from campaign.email_jobs where job_no = :in_hand), '(cancelled,1,0)', 'the counters say so');
select books_hold(:in_hand);

select * from finish();
rollback;
