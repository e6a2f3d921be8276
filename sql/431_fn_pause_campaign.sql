create function campaign.pause_campaign(job uuid, reason text default null)
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
  v_job := campaign._lock_job(pause_campaign.job);
  if v_job.status = 'paused' then
    perform campaign._notice(format('campaign %s is paused already: %s', v_job.id, v_job.status_reason));
    return v_job;
  elsif v_job.status in ('completed', 'failed', 'cancelled') then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s is %s: it cannot be paused', v_job.id, v_job.status),
      detail = format('It ended at %s.', date_trunc('second', v_job.completed_at)),
      hint = 'Only a campaign that has not ended can be paused.';
  end if;

  update campaign.email_jobs j
  set status = 'paused', status_reason = coalesce(nullif(btrim(pause_campaign.reason), ''), format('paused by %s', campaign._subject()))
  where j.job_no = v_job.job_no
  returning j.* into v_job;
  perform pg_notify('campaign_wake', '');
  perform campaign._notice(format('campaign %s is paused; resume_campaign(%L) goes on', v_job.id, v_job.id));
  return v_job;
end
$$;

comment on function campaign.pause_campaign(uuid, text) is
'Stops a campaign until resume_campaign; runners give back what they hold. CP001: no such campaign. CP011: it has ended.';
