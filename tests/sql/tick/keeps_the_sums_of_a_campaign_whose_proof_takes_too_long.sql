begin;
\ir ../_protocol.sql
select plan(7);

-- All work is done, and to prove it takes longer than any statement may.
select start_job(2) as large \gset
select claim(1, 1);
select report(1, :large, 1, 2);
select report(1, :large, 1, null, '1 sent, 2 sent');
create function pg_temp.take_long() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
create trigger slow before update on campaign.email_jobs for each row when (new.status = 'completed') execute function pg_temp.take_long();

set local statement_timeout = '300ms';
select lives_ok('select campaign.tick()', 'a tick goes on when there is no time for a proof');
select is((select sent_count from campaign.email_jobs where job_no = :large), 2::bigint, 'the sums are kept');
select is(status(:large), 'partial', 'the campaign is not over');
select matches((select status_reason from campaign.email_jobs where job_no = :large), 'to prove it takes longer .* select campaign.tick', 'its reason says what to do');
set local statement_timeout = '30s';
select campaign.tick();
select is(status(:large), 'partial', 'nobody who has little time tries again');
set local statement_timeout = 0;
drop trigger slow on campaign.email_jobs;
select campaign.tick();
select is(status(:large), 'completed', 'who has the time proves it');
select is((select status_reason from campaign.email_jobs where job_no = :large), null, 'and nothing is left to say');

select * from finish();
rollback;
