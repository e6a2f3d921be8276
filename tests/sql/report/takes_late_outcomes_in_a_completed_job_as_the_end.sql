begin;
\ir ../_protocol.sql
select plan(5);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 4, '');
select report(1, :job, 1, null, '4 sent');
select fall_silent(1);
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 uncertain, 2 uncertain, 3 uncertain, 4 sent', 'it ended with three in doubt');
select report(1, :job, 1, null, '1 deferred 451, 2 returned, 3 sent', :epoch);
select is(states(:job), '1 failed, 2 failed, 3 sent, 4 sent', 'not accepted is final now');
select is_empty('select from campaign.retry_item', 'no retry');
select campaign.tick();
select is((select (status, sent_count, failed_count, uncertain_count)::text from campaign.email_jobs), '(completed,2,2,0)', 'the counters of an ended job follow');
select books_hold(:job);

select * from finish();
rollback;
