begin;
\ir ../_protocol.sql
select plan(3);

select start_job(1) as broken \gset
select start_job(1) as sound \gset
select claim(1, 2);
select report(1, j, 1, 1) from unnest(array[:broken, :sound]) j;
select report(1, j, 1, null, '1 sent') from unnest(array[:broken, :sound]) j;
update campaign.chunk set n_sent = -1 where job_no = :broken;
select lives_ok('select campaign.tick()', 'the tick goes on');
select is(status(:sound), 'completed', 'the other job ends');
select is(status(:broken), 'running', 'the broken one stays as it was');

select * from finish();
rollback;
