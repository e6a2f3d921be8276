-- Whom the breaker's answer met, and failed, is pending again: now, or when a later tick gets the locks, which it may only try for.
-- The caller holds the job's lock.
create function campaign._put_back(p_job_no bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_breaker campaign.breaker;
  v_job campaign.email_jobs;
  v_failed bigint[];
  v_again record;
begin
  select b.* into strict v_breaker from campaign.breaker b where b.job_no = p_job_no;
  select j.* into strict v_job from campaign.email_jobs j where j.job_no = p_job_no;
  if not campaign._lock_dedupe(v_job.dedupe_key, p_wait => false) then
    return;
  end if;
  perform from campaign.chunk c where c.job_no = p_job_no and c.chunk_no = 1 for no key update skip locked;
  if not found then
    return;
  end if;

  v_failed := array(
    select s.pos
    from campaign.recipient_state s
    where s.job_no = p_job_no and s.state = 'failed'
      and s.pos in (
        select l.pos
        from (
          select distinct on (t.pos) t.pos, t.phase, t.smtp_code, t.detail, t.at
          from campaign.attempt t
          where t.job_no = p_job_no and t.outcome = 'failed'
          order by t.pos, t.chunk_no desc
        ) l
        where (l.phase, l.smtp_code) is not distinct from (v_breaker.phase, v_breaker.smtp_code)
          and campaign._said(l.detail) = v_breaker.said
          and l.at <= coalesce(v_breaker.until, 'infinity')));
  v_again := campaign._try_again(v_job, v_failed);

  update campaign.breaker b
  set look_again = false, put_back = b.put_back + cardinality(v_again.mailable),
    said = case when b.until is null then b.said end, reason = case when b.until is null then b.reason end
  where b.job_no = p_job_no
  returning b.put_back into v_breaker.put_back;
  update campaign.email_jobs j
  set status_reason = format('%s: %s then tried again', v_breaker.reason, case v_breaker.put_back when 1 then '1 recipient is' else v_breaker.put_back || ' recipients are' end)
  where j.job_no = p_job_no and j.status = 'paused' and starts_with(j.status_reason, v_breaker.reason);
end
$$;
