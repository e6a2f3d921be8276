-- Recipients who failed become pending, with all their tries, as far as they may be mailed. The caller holds the locks of the dedupe
-- key, the job and its first chunk.
create function campaign._try_again(
  p_job campaign.email_jobs,
  p_failed bigint[],
  out mailable bigint[],
  out suppressed bigint,
  out already_mailed bigint
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before record;
  v_after record;
begin
  select a.* into mailable, suppressed, already_mailed from campaign._mailable_again(p_job, p_failed) a;
  perform campaign._lock_doubts(p_job.job_no, mailable);
  v_before := campaign._state_counts(p_job.job_no, mailable);
  insert into campaign.retry_item (job_no, pos, due)
  select p_job.job_no, p.pos, campaign.now() from unnest(mailable) as p (pos)
  on conflict do nothing;
  v_after := campaign._state_counts(p_job.job_no, mailable);
  perform campaign._count_changes(p_job.job_no, v_before, v_after);
end
$$;
