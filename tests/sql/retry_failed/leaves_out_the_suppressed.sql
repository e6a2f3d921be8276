begin;
\ir ../_protocol.sql
select plan(6);

select start_job(3) as job \gset
select claim(1);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 failed 550, 2 failed 550, 3 sent 250');
select campaign.tick();

insert into campaign.suppressions (email) values ('P1@Example.com');
select campaign.retry_failed(job_id(:job));
select is(states(:job), '1 failed, 2 pending, 3 sent', 'whoever is suppressed stays failed');
select books_hold(:job);

insert into campaign.suppressions (email) values ('p2@example.com');
select chunk_no as again from claim(1) \gset
select is(report(1, :job, :again, 2) ->> 'verdict', 'done', 'who is suppressed afterwards is refused to the runner');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 failed, 2 failed, 3 sent', 'and has failed as before');
select books_hold(:job);
select is((select status from campaign.retry_failed(job_id(:job))), 'completed', 'nobody is left to try');

select * from finish();
rollback;
