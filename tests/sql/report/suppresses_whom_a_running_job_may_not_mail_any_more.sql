begin;
\ir ../_protocol.sql
select plan(6);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select report(1, :job, 1, 1);
insert into campaign.suppressions (email) values ('P1@Example.com'), ('P3@Example.com');
select is(report(1, :job, 1, 4), '{"go": [1, 2, 4], "mark": 4, "verdict": "ok"}', 'from now on; what may be on its way is');
select is(report(1, :job, 1, 4) -> 'go', '[1, 2, 4]', 'also when repeated');
select report(1, :job, 1, null, '1 deferred 451, 2 sent, 4 sent');
select retry(1) as retry \gset
select is(report(1, :job, :retry, 1), '{"go": [], "mark": 1, "verdict": "done"}', 'a retry is no exception');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 suppressed, 2 sent, 3 suppressed, 4 sent', 'the end');
select is((select (sent_count, suppressed_count)::text from campaign.email_jobs), '(2,2)', 'counted');
select books_hold(:job);

select * from finish();
rollback;
