-- Guard: latedefer.
begin;
\ir ../_protocol.sql
select plan(3);

select start_job(4, '{"chunk_size": 3}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 3);
select fall_silent(1);
select campaign.tick();
select report(1, :job, 1, null, '1 deferred 451, 2 returned', :epoch);
select is(states(:job), '1 pending, 2 pending, 3 uncertain, 4 pending', 'they wait for another try');
select claim(2);
select retry(2) as retry \gset
select is(report(2, :job, :retry, 2) -> 'go', '[1, 2]', 'and get it');
select books_hold(:job);

select * from finish();
rollback;
