begin;
\ir ../_protocol.sql
select plan(4);

-- All work is done, and to prove it takes longer than any statement may.
select start_job(2) as slow \gset
select claim(1, 1);
select report(1, :slow, 1, 2);
select report(1, :slow, 1, null, '1 sent, 2 sent');
create function pg_temp.take_long() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
create trigger slow before update on campaign.email_jobs for each row when (new.status = 'completed') execute function pg_temp.take_long();

set local statement_timeout = '300ms';
select lives_ok('select campaign.tick()', 'a tick goes on when there is no time for a proof');
select is((select sent_count from campaign.email_jobs where job_no = :slow), 2::bigint, 'the sums are kept');
select is(status(:slow), 'partial', 'the campaign is not over');
set local statement_timeout = 0;
drop trigger slow on campaign.email_jobs;
select campaign.tick();
select is(status(:slow), 'completed', 'it ends as soon as it can be proved');

select * from finish();
rollback;
