begin;
\ir ../_protocol.sql
select plan(7);

select start_job(6, '{"chunk_size": 2}') as job \gset
select claim(1);
select claim(2, 2);
select report(1, :job, 1, 1);
select epoch_of(:job, 1) as epoch \gset
update campaign.tick_state set alive_since = '-infinity';
update campaign.runner set heartbeat_at = campaign.now() - interval '30 s';
select is(campaign.recover_stale(), 0, 'silent for 30 s is not yet dead');
select campaign.heartbeat(runner(2), '[]');
select advance('1 ms');
select is(campaign.recover_stale(), 1, 'a moment later it is');
select results_eq('select chunk_no, state from campaign.chunk order by 1', $$ values (1::bigint, 'ready'), (2, 'leased'), (3, 'leased') $$, 'the living one keeps its leases');
select cmp_ok(epoch_of(:job, 1), '>', :epoch::bigint, 'the dead one is fenced');
select results_eq('select pos, cause, quiet_until from campaign.doubt', $$ select 1::bigint, 'the runner died', r.heartbeat_at + interval '650 s' from campaign.runner r where r.runner_id = runner(1) $$,
  'quiet 20 s + 600 s + 30 s after it was heard last');
select is(report(1, :job, 1, 2, '', :epoch), '{"go": [], "mark": 1, "verdict": "fenced"}', 'and may start nothing');
select books_hold(:job);

select * from finish();
rollback;
