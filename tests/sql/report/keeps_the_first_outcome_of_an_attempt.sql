begin;
\ir ../_protocol.sql
select plan(3);

select start_job(1) as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 sent, 1 failed');
select report(1, :job, 1, null, '1 failed', :epoch);
select is(states(:job), '1 sent', 'a fact is never rewritten');
select is((select count(*) from campaign.attempt), 1::bigint, 'one attempt, one row');
select books_hold(:job);

select * from finish();
rollback;
