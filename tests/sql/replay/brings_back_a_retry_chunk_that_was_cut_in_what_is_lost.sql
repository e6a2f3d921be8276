begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(11);

select start_job(6, '{"chunk_size": 6}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 6);
select report(1, :job, 1, null, '1 sent, 2 deferred, 3 deferred');
select standby_receives();
select report(1, :job, 1, null, '4 deferred, 5 deferred, 6 failed 550');
select retry(2) as chunk \gset
select epoch_of(:job, :chunk) as retry_epoch \gset
select is((select positions from campaign.chunk where chunk_no = :chunk), '{2,3,4,5}', 'four are tried again by another runner');
select report(2, :job, :chunk, 4);
select fail_over();

select is(states(:job), '1 sent, 2 pending, 3 pending, 4 pending, 5 pending, 6 pending', 'what the standby knows');
select replay(2, jsonb_build_array(lease(:job, :chunk, :retry_epoch, 4, '{4}', '2 sent, 3 deferred')));
select results_eq($$ select positions, state, mark, passed, recorded from campaign.chunk where kind = 'retry' $$, $$ values ('{2,3,4}'::bigint[], 'done', 4::bigint, 3::bigint, 3::bigint) $$,
  'the chunk is there again, as far as it was passed');
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 pending, 5 pending, 6 pending', 'its outcomes count; the first attempt of 4 is still its runner''s to tell');
select results_eq('select pos, chunk_no from campaign.retry_item', $$ values (3::bigint, null::bigint) $$, 'nobody waits twice');
select books_hold(:job);

select replay(1, jsonb_build_array(lease(:job, 1, :epoch, 6, '{}', '1 sent, 2 deferred, 3 deferred, 4 deferred, 5 deferred, 6 failed 550')));
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 pending, 5 pending, 6 failed', 'the first attempts are known too');
select is((select array_agg(pos order by pos) from campaign.retry_item where chunk_no is null), '{3,4,5}', 'who is left is tried again');
select books_hold(:job);
select advance('10 min');
select campaign.heartbeat(runner(r), '[]') from generate_series(1, 2) r;
select campaign.tick();
select chunk_no as next_chunk from claim(1) \gset
select report(1, :job, :next_chunk, 5);
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 uncertain, 5 pending, 6 failed', 'but not who may have the mail of the lost attempt');
select books_hold(:job);

select * from finish();
rollback;
