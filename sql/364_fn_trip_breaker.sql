-- Pauses a campaign when at least 20 of the last 25 recipients who came to an end failed by the same answer: it is not their fault.
-- The caller holds the job's lock. Returns whether it did.
create function campaign._trip_breaker(p_job campaign.email_jobs)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_since timestamptz := coalesce((select b.since from campaign.breaker b where b.job_no = p_job.job_no), '-infinity');
  v_answer record;
  v_ended bigint;
begin
  -- A report is one moment: the position puts its outcomes in order.
  with newest as materialized (
    select t.pos, t.phase, t.smtp_code, t.detail, t.class, t.at
    from campaign.attempt t
    where t.job_no = p_job.job_no and t.outcome = 'failed' and t.at > v_since
    order by t.at desc, t.pos desc
    limit 100
  ),
  latest as (
    select distinct on (n.pos) n.* from newest n order by n.pos, n.at desc
  ),
  last as (
    select l.*, campaign._said(l.detail) as said from latest l order by l.at desc, l.pos desc limit 25
  )
  select l.phase, l.smtp_code, l.said, count(*) as n, (array_agg(l.detail order by l.at desc, l.pos desc))[1] as detail,
    (array_agg(l.at order by l.at desc, l.pos desc))[20] as from_at, (array_agg(l.pos order by l.at desc, l.pos desc))[20] as from_pos
  into v_answer
  from last l
  where (l.smtp_code is not null or l.phase = 'render') and coalesce(l.class, '') not in ('bad_address', 'inactive', 'mailbox_full')
  group by l.phase, l.smtp_code, l.said
  having count(*) >= 20;
  if not found then
    return false;
  end if;

  -- The CTE keeps the job out of the choice of the index: by the time of rows it is found at once, by the job all are read.
  with recent as materialized (
    select t.job_no, t.pos, t.outcome, t.at from campaign.attempt t where t.at >= v_answer.from_at
  )
  select count(distinct e.pos) into v_ended
  from (
    select r.pos
    from recent r
    where r.job_no = p_job.job_no and r.outcome in ('sent', 'failed') and (r.at, r.pos) >= (v_answer.from_at, v_answer.from_pos)
    limit 200
  ) e;
  if v_ended > 25 then
    return false;
  end if;

  insert into campaign.breaker as b (job_no, since, phase, smtp_code, said, reason, look_again)
  values (p_job.job_no, campaign.now(), v_answer.phase, v_answer.smtp_code, v_answer.said,
    format('%s of the last %s recipients failed by the same answer (%s): %s. Mend the cause, then resume_campaign', v_answer.n, greatest(v_ended, v_answer.n),
      v_answer.phase, rtrim(concat_ws(' ', v_answer.smtp_code, v_answer.detail), '. ')), true)
  on conflict (job_no) do update set
    since = excluded.since, phase = excluded.phase, smtp_code = excluded.smtp_code, said = excluded.said, until = null, put_back = 0,
    reason = excluded.reason, look_again = true;
  perform campaign._pause_job(p_job.job_no, (select b.reason from campaign.breaker b where b.job_no = p_job.job_no));
  return true;
end
$$;
