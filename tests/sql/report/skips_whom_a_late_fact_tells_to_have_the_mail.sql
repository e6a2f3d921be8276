-- Guards: noguard (facts are looked at when the mark moves), skiponce (the answer is read from the tables).
begin;
\ir ../_protocol.sql
select plan(6);

select start_job(2, '{}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select fall_silent(1);
select campaign.tick();
select retry(2, '15 min') as retry \gset
select report(1, :job, 1, null, '1 sent', :epoch);
select is(states(:job), '1 sent, 2 pending', 'told while a retry chunk carries it');
select is(report(2, :job, :retry, 2), '{"go": [2], "mark": 2, "verdict": "ok"}', 'it is not sent again');
select is(report(2, :job, :retry, 2), '{"go": [2], "mark": 2, "verdict": "ok"}', 'nor when the answer was lost and the call is repeated');
select is((select outcome from campaign.attempt where pos = 1 and chunk_no = :retry), 'skipped', 'recorded as skipped');
select report(2, :job, :retry, null, '2 sent');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 sent, 2 sent', 'the end');
select books_hold(:job);

select * from finish();
rollback;
