begin;
\ir ../_protocol.sql
select plan(5);

select start_job(2) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 sent, 2 failed 550');
update campaign.chunk set n_sent = n_sent + 1, n_failed = n_failed - 1;
select campaign.tick();
select is(status(:job), 'partial', 'the sum is right, the counters are not');
select matches((select status_reason from campaign.email_jobs), 'check_campaign', 'it says where to look');
select is((select array_agg(name) from campaign.check_campaign(job_id(:job)) where not holds), array['the chunks'' counters equal the facts', 'the job''s counters equal the facts'], 'which tells what is wrong');
update campaign.chunk set n_sent = n_sent - 1, n_failed = n_failed + 1, dirty = true;
select campaign.tick();
select is((select (status, status_reason)::text from campaign.email_jobs), '(completed,)', 'mended, it finishes, and the complaint is gone');
select books_hold(:job);

select * from finish();
rollback;
