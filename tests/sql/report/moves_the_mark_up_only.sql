-- Guard: markset.
begin;
\ir ../_protocol.sql
select plan(5);

select start_job(6, '{"chunk_size": 6}') as job \gset
select claim(1);
select report(1, :job, 1, 4);
select is(report(1, :job, 1, 2), '{"go": [1, 2, 3, 4], "mark": 4, "verdict": "ok"}', 'a lower mark is an old one');
select is(report(1, :job, 1, 0), '{"go": [1, 2, 3, 4], "mark": 4, "verdict": "ok"}', 'none at all');
select is(report(1, :job, 1, null), '{"go": [1, 2, 3, 4], "mark": 4, "verdict": "ok"}', 'nor null');
select is(report(1, :job, 1, 1000000) -> 'mark', '6', 'not above the chunk');
select books_hold(:job);

select * from finish();
rollback;
