begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(12);

select start_job(10, '{"chunk_size": 10}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent');
select first_leased_at as first_leased from campaign.chunk \gset
select standby_receives();
select report(1, :job, 1, 7, '2 sent, 3 failed 550');
select report(1, :job, 1, 9, '4 sent, 5 deferred 450');
select fail_over();

select throws_ok(format('select campaign.report(runner(1), %L)', jsonb_build_array(item(:job, 1, 9, '6 sent', :epoch))), 'CP020', null, 'a report comes too early');
select is(states(:job), '1 sent, 2 pending, 3 pending, 4 pending, 5 pending, 6 pending, 7 pending, 8 pending, 9 pending, 10 pending', 'what the standby knows');
select is(replay(1, jsonb_build_array(lease(:job, 1, :epoch, 9, '{7,8}', '1 sent, 2 sent, 3 failed 550, 4 sent, 5 deferred 450, 6 sent'))) -> 'unknown', '[]', 'it has the campaign');
select is(states(:job), '1 sent, 2 sent, 3 failed, 4 sent, 5 pending, 6 sent, 7 uncertain, 8 uncertain, 9 uncertain, 10 pending',
  'what was told is known; what was passed, and not told, is in doubt');
select results_eq('select state, mark, passed, recorded, runner_id from campaign.chunk', $$ values ('ready', 9::bigint, 9::bigint, 9::bigint, null::uuid) $$, 'the lease is over, the mark is where it was');
select is((select first_leased_at from campaign.chunk), :'first_leased', 'the date of the messages stays');
select results_eq('select pos, due > campaign.now() from campaign.retry_item', $$ values (5::bigint, true) $$, 'who was deferred is tried again');
select is((select max(quiet_until) from campaign.doubt), campaign.now() + interval '650 s', 'nothing is in flight later');
select books_hold(:job);

select is(report(1, :job, 1, null, '7 sent, 8 returned', :epoch), '{"go": [], "mark": 9, "verdict": "fenced"}', 'what was in flight has ended');
select is(states(:job), '1 sent, 2 sent, 3 failed, 4 sent, 5 pending, 6 sent, 7 sent, 8 pending, 9 uncertain, 10 pending', 'and is known');
select books_hold(:job);

select * from finish();
rollback;
