begin;
\ir ../_protocol.sql
select plan(8);

select start_job(8, '{"chunk_size": 4}') as job \gset
select claim(1, 2);
select report(1, :job, 1, 4);
select report(1, :job, 1, null, '1 sent, 3 failed 550');
select report(1, :job, 2, 6, '');
select fall_silent(1);
select is(campaign.recover_stale(), 2, 'two leases');
select is((select array_agg(pos order by pos) from campaign.doubt), '{2,4,5,6}', 'passed and not told of');
select results_eq('select chunk_no, state, passed, recorded from campaign.chunk order by 1', $$ values (1::bigint, 'done', 4::bigint, 4::bigint), (2, 'ready', 2, 2) $$, 'done, or ready above the mark');
select fall_silent(1);
select is(campaign.recover_stale(), 0, 'a second recovery finds nothing');
select is((select count(*) from campaign.doubt), 4::bigint, 'and adds no doubt');
select claim(2);
select report(2, :job, 2, 7);
select fall_silent(2);
select campaign.recover_stale();
select is((select array_agg(pos order by pos) from campaign.doubt), '{2,4,5,6,7}', 'the next lease of the chunk names its own only');
select is(states(:job), '1 sent, 2 uncertain, 3 failed, 4 uncertain, 5 uncertain, 6 uncertain, 7 uncertain, 8 pending', 'everybody is accounted for');
select books_hold(:job);

select * from finish();
rollback;
