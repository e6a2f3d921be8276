-- Guard: keepepoch.
begin;
\ir ../_protocol.sql
select plan(4);

select start_job(3, '{"chunk_size": 3}') as job \gset
select known(1) as outdated \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 1);
select is((select positions from campaign.claim_chunks(runner(1), 1, :'outdated')), '{2,3}', 'leased anew');
select report(1, :job, 1, 2, '1 deferred', :epoch);
select is(report(1, :job, 1, 3), '{"go": [2, 3], "mark": 3, "verdict": "ok"}', 'only the new lease goes on');
select is((select count(*) from campaign.attempt), 1::bigint, 'the old lease told what became of its mail');
select books_hold(:job);

select * from finish();
rollback;
