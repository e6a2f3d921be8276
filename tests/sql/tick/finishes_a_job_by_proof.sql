begin;
\ir ../_protocol.sql
select plan(6);

select start_job(3, '{"chunk_size": 3}') as job \gset
select claim(1);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent, 2 deferred 451');
select campaign.tick();
select is(status(:job), 'running', 'not while one is open');
select report(1, :job, 1, null, '3 failed 550');
select campaign.tick();
select is(status(:job), 'partial', 'not while a retry waits');
select retry(1) as retry \gset
select campaign.tick();
select is(status(:job), 'running', 'not while it is leased');
select report(1, :job, :retry, 2);
select report(1, :job, :retry, null, '2 sent');
select advance('1 s');
select campaign.tick();
select is((select (status, sent_count, failed_count, completed_at = campaign.now())::text from campaign.email_jobs), '(completed,2,1,t)', 'now');
select campaign.tick();
select is(status(:job), 'completed', 'for good');
select books_hold(:job);

select * from finish();
rollback;
