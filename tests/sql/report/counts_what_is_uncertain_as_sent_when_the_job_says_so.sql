begin;
\ir ../_protocol.sql
select plan(3);

select start_job(2, '{}', 'assume_sent') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 uncertain');
select fall_silent(1);
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 sent, 2 sent', 'assumed');
select report(1, :job, 1, null, '2 failed 550', :epoch);
select campaign.tick();
select is((select (sent_count, failed_count, uncertain_count)::text from campaign.email_jobs), '(1,1,0)', 'a fact outranks the assumption');
select books_hold(:job);

select * from finish();
rollback;
