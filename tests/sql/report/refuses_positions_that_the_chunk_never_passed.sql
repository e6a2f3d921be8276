begin;
\ir ../_protocol.sql
select plan(10);

select start_job(6, '{"chunk_size": 3}') as job \gset
select claim(1, 2);
select report(1, :job, 1, 2);
select throws_ok(format('select report(1, %s, 1, 3, %L)', :job, '3 sent'), 'CP022', null, 'above the mark');
select throws_ok(format('select report(1, %s, 1, 3, %L)', :job, '4 sent'), 'CP022', null, 'in another chunk');
select throws_ok(format('select report(1, %s, 1, 3, %L)', :job, '0 sent'), 'CP022', null, 'nowhere');
select throws_ok(format('select report(1, %s, 1, 3, %L)', :job, '1 delivered'), 'CP022', null, 'an unknown outcome');
select throws_ok(format('select report(1, %s, 1, 3, %L)', :job, '1 skipped'), 'CP022', null, 'an outcome that is not the runner''s to tell');
select throws_ok(format('select report(1, %s, 77, 3, %L)', :job, ''), 'CP022', null, 'an unknown chunk');
select throws_ok(format('select campaign.report(runner(1), jsonb_build_array(item(%1$s, 1, null, %2$L), item(%1$s, 2, null, %3$L)))', :job, '1 sent', '6 sent'), 'CP022', null, 'one of several items');
select is_empty('select from campaign.attempt', 'nothing of such a call is recorded');
select report(1, :job, 1, null, '1 sent, 2 deferred 451');
select release(1, :job, 1);
select report(1, :job, 2, 6);
select report(1, :job, 2, null, '4 deferred 451, 5 sent, 6 deferred 451');
select retry(2) as retry \gset
select report(2, :job, :retry, 6);
select throws_ok(format('select report(2, %s, %s, null, %L)', :job, :retry, '5 sent'), 'CP022', null, 'between the positions of a retry chunk');
select books_hold(:job);

select * from finish();
rollback;
