-- What follows from a job's state. The caller holds the job's lock. Whatever it cannot do now (a row locked elsewhere) the next
-- tick does.
create function campaign._tick_job(p_job_no bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  v_job campaign.email_jobs;
  v_status text;
  v_sums record;
  v_cleaned bigint;
  v_heard timestamptz;
  v_failed bigint;
  v_reason text;
  v_has_work boolean;
  v_ended boolean;
  c_unproved constant text := 'all work is done, but the counters do not prove it: see check_campaign';
begin
  if campaign._replay_is_awaited() then
    -- Nothing is done, but nothing is over that has work again.
    update campaign.email_jobs j
    set status = 'running', status_reason = null, completed_at = null
    where j.job_no = p_job_no and j.status in ('completed', 'failed')
      and exists (select from campaign.retry_item i where i.job_no = p_job_no);
    return;
  end if;
  select j.* into strict v_job from campaign.email_jobs j where j.job_no = p_job_no;
  v_status := v_job.status;

  if v_status = 'scheduled' and v_job.scheduled_at <= v_now then
    v_status := 'pending';
    perform pg_notify('campaign_wake', '');
  elsif v_status in ('completed', 'failed') and exists (select from campaign.retry_item i where i.job_no = p_job_no) then
    v_status := 'running';
    update campaign.email_jobs j set status_reason = null where j.job_no = p_job_no and j.status_reason is not null;
  end if;

  if v_status in ('pending', 'running', 'partial') then
    perform campaign._cut_retry_chunks(v_job);
  elsif v_status = 'cancelled' then
    perform campaign._close_cancelled(v_job);
  end if;

  -- The live lease, if any. A lease of a silent runner counts for 3 minutes.
  select max(r.heartbeat_at) into v_heard
  from campaign.chunk c
  join campaign.runner r on r.runner_id = c.runner_id
  where c.job_no = p_job_no and c.state = 'leased' and r.heartbeat_at > v_now - interval '3 min';
  if v_status in ('running', 'partial') then
    v_status := case when v_heard is null then 'partial' else 'running' end;
  end if;

  -- First the flags, then the sums: what is reported in between is dirty again.
  with pick as materialized (
    select c.chunk_no
    from campaign.chunk c
    where c.job_no = p_job_no and c.dirty
    order by c.chunk_no
    for no key update skip locked
  )
  update campaign.chunk c
  set dirty = false
  from pick p
  where c.job_no = p_job_no and c.chunk_no = p.chunk_no;
  get diagnostics v_cleaned = row_count;

  if v_cleaned > 0 then
    delete from campaign.proof p where p.job_no = p_job_no;
    select
      sum(c.n_sent) as sent, sum(c.n_failed) as failed, sum(c.n_uncertain) as uncertain, sum(c.n_suppressed) as suppressed,
      coalesce(sum(c.n - c.recorded) filter (where c.state in ('ready', 'leased')), 0)
        -- A late fact may tell that a recipient has the mail while a retry chunk carries it.
        - (select count(*)
           from campaign.retry_item i
           where i.job_no = p_job_no and i.chunk_no is not null and exists (
             select from campaign.attempt t where t.job_no = i.job_no and t.pos = i.pos and t.outcome = 'sent')) as in_hand
    into v_sums
    from campaign.chunk c
    where c.job_no = p_job_no;
    v_failed := v_sums.failed;

    update campaign.email_jobs j
    set
      sent_count = v_sums.sent,
      failed_count = v_sums.failed,
      uncertain_count = v_sums.uncertain,
      suppressed_count = v_sums.suppressed,
      cancelled_count = case when v_status = 'cancelled'
        then greatest(0, j.total_contacts - v_sums.sent - v_sums.failed - v_sums.uncertain - v_sums.suppressed - v_sums.in_hand) else 0 end,
      cursor = campaign._job_cursor(p_job_no, v_job.cursor / v_job.chunk_size),
      errors = case when v_sums.failed is distinct from j.failed_count then campaign._job_errors(p_job_no) else j.errors end,
      last_heartbeat = greatest(j.last_heartbeat, v_heard),
      status = v_status,
      completed_at = case when v_status in ('completed', 'failed', 'cancelled') then j.completed_at end
    where j.job_no = p_job_no;
  elsif v_status <> v_job.status or v_heard > v_job.last_heartbeat + interval '10 s' then
    update campaign.email_jobs j
    set
      last_heartbeat = greatest(j.last_heartbeat, v_heard),
      status = v_status,
      completed_at = case when v_status in ('completed', 'failed', 'cancelled') then j.completed_at end
    where j.job_no = p_job_no;
  end if;

  if v_failed >= 20 and v_status in ('pending', 'running', 'partial') and campaign._trip_breaker(v_job) then
    v_status := 'paused';
  elsif v_cleaned > 0 and v_status = 'paused' then
    -- A mail that was under way when the breaker tripped may have met the same answer.
    update campaign.breaker b set look_again = true where b.job_no = p_job_no and b.said is not null and not b.look_again;
  end if;
  if v_status <> 'cancelled' and exists (select from campaign.breaker b where b.job_no = p_job_no and b.said is not null and b.look_again) then
    perform campaign._put_back(p_job_no);
  end if;

  if v_status in ('pending', 'running', 'partial') then
    v_reason := campaign._waiting_reason(v_job);
    update campaign.email_jobs j
    set status_reason = v_reason
    where j.job_no = p_job_no and j.status_reason is distinct from v_reason and coalesce(j.status_reason, 'waiting') like 'waiting%';
  end if;

  if v_status not in ('running', 'partial') then
    return;
  end if;
  v_has_work := campaign._has_work(p_job_no);
  if v_cleaned > 0 or v_has_work then
    update campaign.email_jobs j set status_reason = null where j.job_no = p_job_no and j.status_reason = c_unproved;
  end if;
  if v_has_work then
    return;
  end if;
  begin
    v_ended := campaign._finish_job(p_job_no);
  exception when query_canceled then
    if campaign._time_is_up(null) is not true then
      raise; -- somebody does not want to wait
    end if;
    -- The sums are worth keeping.
    raise warning 'campaign %: the proof of its end takes longer than statement_timeout allows', v_job.id;
    return;
  end;
  if not v_ended then
    raise warning 'campaign %: all work is done, but the counters do not prove it', v_job.id
    using hint = format('select * from campaign.check_campaign(%L)', v_job.id);
    update campaign.email_jobs j
    set status_reason = c_unproved
    where j.job_no = p_job_no and coalesce(j.status_reason, 'waiting') like 'waiting%';
  end if;
end
$$;
