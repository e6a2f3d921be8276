begin;
\ir ../_protocol.sql
select plan(9);

select start_job(2, '{"time_limit": "5 min", "max_retries": 1}') as job \gset
select claim(1);
select report(1, :job, 1, 2);
select reply(1, :job, 1, 1, 'dot', '450 later');
select is(states(:job), '1 pending, 2 pending', 'a 4xx answer is tried again, whatever max_retries');
select retry(1, '75 s') as second \gset
select report(1, :job, :second, 1);
select reply(1, :job, :second, 1, 'dot', '450 later');
select is(states(:job), '1 pending, 2 pending', 'two minutes later is within the limit');
select retry(1, '150 s') as third \gset
select report(1, :job, :third, 1);
select reply(1, :job, :third, 1, 'dot', '450 later');
select is(states(:job), '1 failed, 2 pending', 'four more minutes are not');
select reply(1, :job, 1, 2, 'dot', '250 ok');
select campaign.tick();
select is(status(:job), 'completed', 'the campaign has an end');
select is((select error from campaign.failed_deliveries), '450 later', 'the answer is the reason');

select campaign.retry_failed(job_id(:job));
select chunk_no as again from claim(1) \gset
select report(1, :job, :again, 1);
select reply(1, :job, :again, 1, 'dot', '450 later');
select is(states(:job), '1 pending, 2 sent', 'who is tried again by a person has the whole time again');
select books_hold(:job);

select start_job(1, '{"time_limit": "2 min"}') as short \gset
select claim(1);
select report(1, :short, 1, 1);
select reply(1, :short, 1, 1, 'rcpt', '452 4.2.2 full');
select is(states(:short), '1 failed', 'a rule that wants to wait longer than the campaign lasts ends it');
select books_hold(:short);

select * from finish();
rollback;
