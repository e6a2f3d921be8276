begin;
\ir ../_protocol.sql
select plan(1);

select start_job(2) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 sent, 2 sent');
delete from campaign.attempt where pos = 2;
select campaign.tick();
select is(status(:job), 'partial', 'the counters add up to the total, the facts do not');

select * from finish();
rollback;
