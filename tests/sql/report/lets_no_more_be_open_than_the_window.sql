begin;
\ir ../_protocol.sql
select plan(6);

select start_job(8, '{"chunk_size": 8, "concurrency": 1, "rate_limit": 4}') as job \gset
select claim(1);
select is(report(1, :job, 1, 8), '{"go": [1, 2], "mark": 2, "verdict": "ok"}', 'one connection and a quarter of a second at 4 mails a second');
select is(report(1, :job, 1, 8), '{"go": [1, 2], "mark": 2, "verdict": "ok"}', 'asking again opens no more');
select is(report(1, :job, 1, 8, '2 sent'), '{"go": [1, 3], "mark": 3, "verdict": "ok"}', 'the window slides with what is told, whichever that is');
select is(report(1, :job, 1, 8, '1 sent, 3 failed 550'), '{"go": [4, 5], "mark": 5, "verdict": "ok"}', 'and by two');
update campaign.email_integrations set rate_limit = 1000;
update campaign.email_jobs set config = config || '{"rate_limit": null}';
select is(report(1, :job, 1, 8) -> 'go', '[4, 5, 6, 7, 8]', 'a higher rate has a wider one');
select books_hold(:job);

select * from finish();
rollback;
