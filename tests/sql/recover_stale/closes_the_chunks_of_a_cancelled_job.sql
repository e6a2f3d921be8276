-- Guard: recovcanc.
begin;
\ir ../_protocol.sql
select plan(5);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select report(1, :job, 1, 2);
select campaign.cancel_campaign(job_id(:job));
select fall_silent(1);
select campaign.tick();
select is((select state from campaign.chunk), 'cancelled', 'jobs of any status have their leases ended');
select is(states(:job), '1 uncertain, 2 uncertain, 3 cancelled, 4 cancelled', 'everybody has an end');
select is_empty('select from claim(2)', 'nobody gets it');
select is((select (uncertain_count, cancelled_count)::text from campaign.email_jobs), '(2,2)', 'counted');
select books_hold(:job);

select * from finish();
rollback;
