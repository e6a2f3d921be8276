begin;
\ir ../_protocol.sql
select plan(4);

select start_job(3, '{"chunk_size": 3}') as job \gset
select claim(1);
select campaign.tick();
select is(status(:job), 'running', 'a runner works on it');
select release(1, :job, 1);
select campaign.tick();
select is(status(:job), 'partial', 'nobody does');
select claim(2);
select campaign.tick();
select is(status(:job), 'running', 'somebody does');
select is((select last_heartbeat from campaign.email_jobs), campaign.now(), 'and was heard');

select * from finish();
rollback;
