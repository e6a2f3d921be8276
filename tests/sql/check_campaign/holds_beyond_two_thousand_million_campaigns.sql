begin;
\ir ../_protocol.sql
select plan(4);

alter table campaign.email_jobs alter job_no restart with 3000000000;
select start_job(3) as job \gset
select is(:job, 3000000000, 'more than 32 bits hold');
select claim(1);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent, 2 deferred 451, 3 uncertain');
select retry(1) as again \gset
select report(1, :job, :again, 2);
select report(1, :job, :again, null, '2 sent');
select campaign.resolve_uncertain(job_id(:job), 'sent');
select is(status(:job), 'completed', 'the campaign comes to its end');
select is(states(:job), '1 sent, 2 sent, 3 sent', 'with everybody in it');
select books_hold(:job);

select * from finish();
rollback;
