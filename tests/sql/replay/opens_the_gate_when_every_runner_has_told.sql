begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(22);

select start_job(1) as ended \gset
select claim(2);
select report(2, :ended, 1, 1);
select report(2, :ended, 1, null, '1 failed 550');
select campaign.tick();
select start_job(4, '{"chunk_size": 2}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 sent');
select become_another('timeline');

select throws_ok($$ select campaign.heartbeat(runner(1), '[]') $$, 'CP020', null, 'a runner of before is asked to replay');
select throws_ok($$ select claim(1) $$, 'CP020', null, 'whatever it calls');
select throws_ok(format('select campaign.release(runner(1), %L)', jsonb_build_array(item(:job, 1, null, '2 sent', :epoch))), 'CP020', null, 'also to release');
select campaign.register_runner(runner(3), 'host', 3, '0.1.0', 1);
select is_empty('select claim(3)', 'a new runner gets no work');
select campaign.tick();
select matches((select status_reason from campaign.email_jobs where job_no = :job), '^waiting for what the runners tell', 'the campaign says for what it waits');
select campaign.retry_failed(job_id(:ended));
select is(status(:ended), 'running', 'a person may have somebody tried again, which is work');
select books_hold(:ended);
select advance('9 s');
select replay(1, jsonb_build_array(lease(:job, 1, :epoch, 2, '{}', '1 sent, 2 sent')));
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 pending', 'one has told');
select campaign.tick();
select is_empty('select claim(3)', 'but not the other');
select is(campaign.recover_stale(), 0, 'nobody is taken for dead');
select lives_ok($$ select campaign.heartbeat(runner(1), '[]') $$, 'who has told is registered again');
select replay(2, '[]', false);
select throws_ok($$ select campaign.heartbeat(runner(2), '[]') $$, 'CP020', null, 'who has not told all is not');
select replay(2);
select campaign.tick();
select is_empty('select claim(3)', 'one that registered in what is lost may still come');
select advance('1 s');
select campaign.tick();
select is((select positions from claim(3, 5) where job_no = :job), '{3,4}', 'after two heartbeats work goes on');
select campaign.tick();
select is(status(:job), 'running', 'the campaign runs');
select is((select status_reason from campaign.email_jobs where job_no = :job), null, 'and waits for nothing');
select lives_ok('select replay(2)', 'a call is repeated');
select is((select replays from campaign.incarnation), 2::bigint, 'two have told');
select lives_ok('select campaign.tick(runner(1))', 'a tick goes on');
select report(3, :job, 2, 4);
select is(report(3, :job, 2, null, '3 sent, 4 sent') ->> 'verdict', 'done', 'the rest is sent');
select campaign.tick();
select is(status(:job), 'completed', 'the campaign ends');
select books_hold(:job);

select * from finish();
rollback;
