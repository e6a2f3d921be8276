create function campaign.cancel_campaign(job uuid)
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
  v_job := campaign._lock_job(cancel_campaign.job);
  if v_job.status = 'cancelled' then
    perform campaign._notice(format('campaign %s is cancelled already', v_job.id));
    return v_job;
  elsif v_job.status in ('completed', 'failed') then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s is %s: there is nothing left to cancel', v_job.id, v_job.status),
      detail = format('%s sent, %s failed, %s uncertain.', v_job.sent_count, v_job.failed_count, v_job.uncertain_count),
      hint = 'Mail that was accepted cannot be called back.';
  end if;

  update campaign.email_jobs j
  set status = 'cancelled', status_reason = format('cancelled by %s', campaign._subject()), completed_at = campaign.now()
  where j.job_no = v_job.job_no;
  delete from campaign.proof p where p.job_no = v_job.job_no;
  perform campaign._tick_job(v_job.job_no);
  perform pg_notify('campaign_wake', '');

  v_job := campaign._find_job(v_job.id);
  perform campaign._notice(format('campaign %s is cancelled: %s sent, %s not sent%s', v_job.id, v_job.sent_count, v_job.cancelled_count,
    case when v_job.sent_count + v_job.failed_count + v_job.uncertain_count + v_job.suppressed_count + v_job.cancelled_count < v_job.total_contacts
      then '; runners give back what they hold within a second' else '' end));
  return v_job;
end
$$;

comment on function campaign.cancel_campaign(uuid) is
'Ends a campaign for good. Once it returns, at most the mails already under way are sent; everybody else ends as cancelled. CP001: no such campaign. CP011: it has ended.';
