begin;
\ir ../_protocol.sql
select plan(18);

-- A campaign in which all was sent but two; its facts are written here as a runner's reports would.
create function pg_temp.ended(p_n integer) returns bigint language plpgsql as $$
declare
  v_job bigint := start_job(p_n, '{"chunk_size": 2000}');
begin
  insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at)
  select c.job_no, g, c.chunk_no, case when g in (7, p_n) then 'failed' else 'sent' end, runner(1), 1, campaign.now()
  from campaign.chunk c cross join generate_series(c.first_pos, c.last_pos) g
  where c.job_no = v_job;
  update campaign.chunk c
  set state = 'done', mark = c.last_pos, passed = c.n, recorded = c.n, dirty = true,
    n_sent = c.n - f.n, n_failed = f.n
  from (
    select t.chunk_no, count(*) filter (where t.outcome = 'failed') as n from campaign.attempt t where t.job_no = v_job group by t.chunk_no
  ) f
  where c.job_no = v_job and c.chunk_no = f.chunk_no;
  update campaign.email_jobs j set status = 'running', started_at = campaign.now() where j.job_no = v_job;
  return v_job;
end
$$;
create function counted(p_job bigint) returns bigint language sql as $$ select p.up_to from campaign.proof p where p.job_no = p_job $$;
create function reason(p_job bigint) returns text language sql as $$ select j.status_reason from campaign.email_jobs j where j.job_no = p_job $$;

select pg_temp.ended(45000) as job \gset
select start_job(1) as small \gset
select claim(1);
select report(1, :small, 1, 1);
select report(1, :small, 1, null, '1 sent');

-- No time at all: a tick counts one part where it finds that all work is done, and later ones one more before anything else.
savepoint no_time;
create or replace function campaign._time_is_up(p_longest interval default '5 s') returns boolean language sql volatile as $$ select p_longest < '5 s' $$;
select campaign.tick();
select is((select (sent_count, failed_count)::text from campaign.email_jobs where job_no = :job), '(44998,2)', 'the sums are complete at once');
select is(status(:job), 'partial', 'the campaign is not over before all is counted');
select is(status(:small), 'completed', 'a small campaign does not wait for it');
select is(counted(:job), 10000::bigint, 'what was counted is kept');
select campaign.tick();
select is(counted(:job), 30000::bigint, 'the next tick goes on from there');
select is(reason(:job), 'waiting for the count at its end: 20000 of 45000 recipients', 'the campaign says how far that is');

-- Late facts change states behind the count: the refused one was accepted after all.
savepoint late;
insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at)
values (:job, 7, (select max(chunk_no) + 1 from campaign.chunk where job_no = :job), 'sent', runner(1), 1, campaign.now());
update campaign.chunk set dirty = true, n_sent = n_sent + 1, n_failed = n_failed - 1 where job_no = :job and chunk_no = 1;
select campaign.tick();
select is(counted(:job), 10000::bigint, 'a change of states begins the count anew');
select campaign.tick();
select campaign.tick();
select is((status(:job), reason(:job))::text, '(completed,)', 'which then ends');
select is((select (sent_count, failed_count)::text from campaign.email_jobs where job_no = :job), '(44999,1)', 'with what is true now');
rollback to late;

-- They come while the last part is counted.
create function pg_temp.late() returns trigger language plpgsql as $$
begin
  update campaign.chunk c set dirty = true where c.job_no = new.job_no and c.chunk_no = 1;
  return new;
end
$$;
create trigger late after insert on campaign.proof for each row when (new.up_to >= 45000) execute function pg_temp.late();
select campaign.tick();
select is((status(:job), reason(:job))::text, '(partial,"waiting for the count at its end: 40000 of 45000 recipients")', 'what changes while it is counted is no alarm');
drop trigger late on campaign.proof;
select campaign.tick();
select campaign.tick();
select campaign.tick();
select is((status(:job), reason(:job))::text, '(completed,)', 'it is counted once more');
rollback to late;

select campaign.cancel_campaign(job_id(:job));
select is(counted(:job), null, 'a campaign that is cancelled is counted no more');
rollback to late;

select campaign.tick();
select is((status(:job), reason(:job))::text, '(completed,)', 'with the last part it ends');
select is(counted(:job), null, 'and nothing is left of the count');
rollback to late;

-- The facts of a part that was not counted yet are lost.
delete from campaign.attempt where job_no = :job and pos = 44000;
select campaign.tick();
select is((status(:job), reason(:job))::text, '(partial,"all work is done, but the counters do not prove it: see check_campaign")', 'parts that do not add up prove nothing');
select campaign.tick();
select is(counted(:job), 10000::bigint, 'they are counted again');
insert into campaign.retry_item (job_no, pos, due) values (:job, 7, campaign.now() + interval '1 hour');
select campaign.tick();
select is(reason(:job), null, 'when there is work again, nothing is said of a proof');
rollback to no_time;

select campaign.tick();
select is(status(:job), 'completed', 'with time enough one tick counts them all');

select * from finish();
rollback;
