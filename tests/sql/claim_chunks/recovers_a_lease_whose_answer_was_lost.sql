-- Guards: keepepoch (a lease that its owner does not list gets doubts and a new epoch), nofinal (positions above the mark only).
begin;
\ir ../_protocol.sql
select plan(7);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select results_eq($$ select chunk_no, mark, positions from campaign.claim_chunks(runner(1), 1, '[]') $$, $$ values (1::bigint, 2::bigint, '{3,4}'::bigint[]) $$,
  'the same chunk again, above the mark only');
select is(states(:job), '1 uncertain, 2 uncertain, 3 pending, 4 pending', 'what was passed under the lost lease is in doubt, though no runner died');
select cmp_ok(epoch_of(:job, 1), '>', :epoch::bigint, 'the epoch is a new one');
select is(report(1, :job, 1, 4, '1 sent', :epoch), '{"go": [], "mark": 2, "verdict": "fenced"}', 'the old lease moves no mark any more');
select is(states(:job), '1 sent, 2 uncertain, 3 pending, 4 pending', 'but its facts count');
select is((select count(distinct epoch) from (select epoch_of(:job, 1) as epoch union all select :epoch) e), 2::bigint, 'two leases, two epochs');
select books_hold(:job);

select * from finish();
rollback;
