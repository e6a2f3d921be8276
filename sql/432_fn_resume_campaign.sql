create function campaign.resume_campaign(job uuid)
returns campaign.email_jobs
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
begin
  perform campaign._enter_protocol();
  v_job := campaign._lock_job(resume_campaign.job);
  if v_job.status <> 'paused' then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s is %s, not paused', v_job.id, v_job.status),
      detail = 'Only a paused campaign can be resumed.',
      hint = case v_job.status
        when 'cancelled' then 'Cancelling is for good. Start the campaign again: whoever has the mail is left out.'
        when 'completed' then 'Everybody has been dealt with.'
        when 'failed' then 'Everybody has been dealt with.'
        else 'It goes on by itself as long as a runner lives.' end;
  end if;

  update campaign.email_jobs j
  set
    status = case
      when j.started_at is not null then 'partial'
      when j.scheduled_at > campaign.now() then 'scheduled'
      else 'pending' end,
    status_reason = null
  where j.job_no = v_job.job_no
  returning j.* into v_job;
  -- Whoever resumes has seen what there was: it pauses the campaign no second time.
  insert into campaign.breaker as b (job_no, since) values (v_job.job_no, campaign.now())
  on conflict (job_no) do update set since = excluded.since, until = case when b.said is not null then excluded.since end;
  perform pg_notify('campaign_wake', '');
  perform campaign._notice(format('campaign %s goes on: %s of %s recipients are left', v_job.id,
    v_job.total_contacts - v_job.sent_count - v_job.failed_count - v_job.uncertain_count - v_job.suppressed_count, v_job.total_contacts),
    p_needs_runner => true);
  return v_job;
end
$$;

comment on function campaign.resume_campaign(uuid) is
'Lets a paused campaign go on. CP001: no such campaign. CP011: it is not paused.';
