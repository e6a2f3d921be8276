begin;
\ir ../_protocol.sql
select plan(4);

select start_job(2) as job \gset
select claim(1);
select is(release(1, :job, 1), '{"go": [], "mark": 0, "verdict": "ok"}', 'nothing was passed');
select is(states(:job), '1 pending, 2 pending', 'all of it waits');
select results_eq('select chunk_no, positions from claim(2)', $$ values (1::bigint, '{1,2}'::bigint[]) $$, 'another runner takes it');
select books_hold(:job);

select * from finish();
rollback;
