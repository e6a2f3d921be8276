-- Guard: canceldoubt (a resend that is cut off is an open doubt again).
begin;
\ir ../_protocol.sql
select plan(8);

select start_job(7, '{"chunk_size": 3}', 'resend') as job \gset
select claim(1, 2);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent, 2 deferred 451, 3 uncertain');
select report(1, :job, 2, 4);
select campaign.cancel_campaign(job_id(:job));
select is(states(:job), '1 sent, 2 cancelled, 3 uncertain, 4 pending, 5 pending, 6 pending, 7 cancelled', 'at once, but for the lease');
select is_empty('select from campaign.retry_item', 'no retry is left');
select is((select (decision, decided_by, decided_at)::text from campaign.doubt), '(,,)', 'the resend is an open doubt again');
select is((select (sent_count, uncertain_count, cancelled_count)::text from campaign.email_jobs), '(1,1,2)', 'counted');
select fall_silent(1);
select campaign.tick();
select is((select (sent_count, uncertain_count, cancelled_count)::text from campaign.email_jobs), '(1,2,4)', 'and all of it in the end');
select is((select array_agg(distinct state) from campaign.chunk), '{cancelled,done}', 'nothing is open');
select is((select array_agg(pos order by pos) from campaign.doubt where decision is null), '{3,4}', 'a cancelled job resends nothing');
select books_hold(:job);

select * from finish();
rollback;
