begin;
\ir ../_protocol.sql
select plan(6);

select start_job(3, '{"chunk_size": 2}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '2 sent');
select fall_silent(1);
select campaign.tick();
select advance('15 min');
select campaign.tick();
select claim(2);
select release(2, :job, 2);
select max(chunk_no) as retry from campaign.chunk \gset
update campaign.chunk set not_before = 'infinity' where chunk_no = 2;
select claim(2);
select is((select state from campaign.chunk where chunk_no = :retry), 'leased', 'a retry chunk carries position 1');
select campaign.cancel_campaign(job_id(:job));
select report(1, :job, 1, null, '1 sent', :epoch);
select campaign.tick();
select is(states(:job), '1 sent, 2 sent, 3 cancelled', 'accepted, while a lease of the cancelled job still carries it');
select is((select (sent_count, cancelled_count)::text from campaign.email_jobs), '(2,1)', 'it is counted once');
select books_hold(:job);
select release(2, :job, :retry);
select campaign.tick();
select is((select (sent_count, cancelled_count)::text from campaign.email_jobs), '(2,1)', 'the end');
select books_hold(:job);

select * from finish();
rollback;
