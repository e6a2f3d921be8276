begin;
\ir ../_protocol.sql
select plan(5);

-- A job whose tick takes longer than any statement may; beside it others, before and after.
select start_job(1) as before \gset
select start_job(1) as slow \gset
select start_job(1) as after \gset
select claim(1, 3);
select report(1, j, 1, 1) from unnest(array[:before, :slow, :after]) j;
select report(1, j, 1, null, '1 sent') from unnest(array[:before, :slow, :after]) j;
create function pg_temp.take_long() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
create trigger slow before update on campaign.email_jobs for each row when (old.job_no = :slow) execute function pg_temp.take_long();

set local statement_timeout = '300ms';
select lives_ok('select campaign.tick()', 'a tick goes on when its time is up, and keeps what it did');
select is(status(:before), 'completed', 'a job before it ends');
select lives_ok('select campaign.tick()', 'the next begins behind it');
select is(status(:after), 'completed', 'and a job behind it ends too');
set local statement_timeout = 0;
drop trigger slow on campaign.email_jobs;
select campaign.tick();
select is(status(:slow), 'completed', 'it ends as soon as it can');

select * from finish();
rollback;
