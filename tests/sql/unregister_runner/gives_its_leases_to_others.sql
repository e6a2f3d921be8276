begin;
\ir ../_protocol.sql
select plan(5);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select report(1, :job, 1, 2);
select fall_silent(2);
select campaign.unregister_runner(runner(1));
select lives_ok($$ select campaign.unregister_runner(runner(1)) $$, 'a repeated goodbye changes nothing');
select is(campaign.recover_stale(), 1, 'its lease counts as that of a dead runner at once');
select is(states(:job), '1 uncertain, 2 uncertain, 3 pending, 4 pending', 'what it may have been sending is in doubt');
select is((select min(quiet_until) from campaign.doubt), campaign.now() + interval '650 s', 'its last heartbeat is unknown: counted from now');
select books_hold(:job);

select * from finish();
rollback;
