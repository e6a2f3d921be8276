-- As pause_campaign, where a relay's answer asks for it. The caller holds the job's lock.
create function campaign._pause_job(p_job_no bigint, p_reason text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update campaign.email_jobs j
  set status = 'paused', status_reason = p_reason
  where j.job_no = p_job_no and j.status in ('pending', 'running', 'partial');
  if found then
    perform pg_notify('campaign_wake', '');
  end if;
end
$$;
