create function campaign.retry_failed(job uuid)
returns campaign.email_jobs
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
  v_failed bigint[];
  v_again record;
begin
  perform campaign._enter_protocol();
  -- Before any other lock: a start that holds it may stay open for long, and runners wait for the others.
  perform campaign._lock_dedupe((campaign._find_job(retry_failed.job)).dedupe_key);
  v_job := campaign._lock_job(retry_failed.job);
  if v_job.status = 'cancelled' then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s is cancelled: nobody is tried again', v_job.id),
      detail = 'Cancelling is for good.',
      hint = 'Start the campaign again: whoever has the mail is left out.';
  end if;
  perform from campaign.chunk c where c.job_no = v_job.job_no and c.chunk_no = 1 for no key update;

  v_failed := array(
    select s.pos
    from campaign.recipient_state s
    where s.job_no = v_job.job_no and s.state = 'failed'
      and s.pos in (select t.pos from campaign.attempt t where t.job_no = v_job.job_no and t.outcome = 'failed'));
  v_again := campaign._try_again(v_job, v_failed);

  perform campaign._tick_job(v_job.job_no);
  perform pg_notify('campaign_wake', '');
  v_job := campaign._find_job(v_job.id);
  if cardinality(v_failed) = 0 then
    perform campaign._notice(format('campaign %s: nobody has failed', v_job.id));
  else
    perform campaign._notice(format('campaign %s: %s of %s failed recipients are tried again%s%s', v_job.id,
      cardinality(v_again.mailable), cardinality(v_failed),
      case when v_again.suppressed + v_again.already_mailed > 0 then format(' (left out: %s suppressed, %s already mailed by another campaign)',
        v_again.suppressed, v_again.already_mailed) else '' end,
      case when v_job.status = 'paused' then ', once it is resumed' else '' end),
      p_needs_runner => cardinality(v_again.mailable) > 0);
  end if;
  return v_job;
end
$$;

comment on function campaign.retry_failed(uuid) is
'Tries again those who failed, and nobody else, each with max_retries new attempts; a campaign that has ended goes on. Who is suppressed, or has the mail of another campaign with the same dedupe_key, is left out. Asking twice sends once. CP001: no such campaign. CP011: it is cancelled, or the key of its links is retired.';
