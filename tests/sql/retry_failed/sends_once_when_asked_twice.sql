begin;
\ir ../_protocol.sql
select plan(7);

select start_job(1) as job \gset
select claim(1);
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 failed 550');
select campaign.tick();

select campaign.retry_failed(job_id(:job)), campaign.retry_failed(job_id(:job));
select is((select count(*) from campaign.chunk where kind = 'retry'), 1::bigint, 'asked twice, it is in one chunk');
select chunk_no as again from claim(1) \gset
select report(1, :job, :again, 1);
select campaign.retry_failed(job_id(:job));
select is_empty('select from claim(2)', 'asked while the mail is under way, nobody else gets it');
select books_hold(:job, 'the books hold meanwhile');
select report(1, :job, :again, null, '1 sent 250');
select campaign.tick();
select is((select status from campaign.retry_failed(job_id(:job))), 'completed', 'asked when nobody has failed, nothing changes');
select is_empty('select from campaign.retry_item', 'nobody waits');
select is((select count(*) from campaign.attempt where outcome = 'sent'), 1::bigint, 'one mail was accepted');
select books_hold(:job);

select * from finish();
rollback;
