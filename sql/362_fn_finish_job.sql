-- Finish is a proof: the audience is filled, every chunk is done, nobody waits for a retry, the counters add up to the total,
-- and they equal a count of the facts. The caller holds the job's lock, and has deleted what was counted before a state changed, as a dirty chunk
-- tells. Returns whether the job ended; null: not yet, later ticks count the rest, or what has changed meanwhile.
create function campaign._finish_job(p_job_no bigint)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Short: others may wait for what this tick has locked.
  if not campaign._count_on(p_job_no, interval '200 ms') then
    return null;
  end if;

  update campaign.email_jobs j
  set
    status = case when j.sent_count + j.uncertain_count > 0 then 'completed' else 'failed' end,
    status_reason = case when j.sent_count + j.uncertain_count > 0 then null else 'nothing was sent' end,
    completed_at = campaign.now()
  where j.job_no = p_job_no
    and j.status in ('pending', 'running', 'partial')
    and j.sent_count + j.failed_count + j.uncertain_count + j.suppressed_count = j.total_contacts
    and not exists (select from campaign.chunk c where c.job_no = p_job_no and (c.state <> 'done' or c.dirty))
    and not exists (select from campaign.retry_item i where i.job_no = p_job_no)
    and j.total_contacts = (select sum(c.n) from campaign.chunk c where c.job_no = p_job_no and c.kind = 'range')
    and (j.total_contacts, j.sent_count, j.failed_count, j.uncertain_count, j.suppressed_count) = (
      select p.total, p.sent, p.failed, p.uncertain, p.suppressed from campaign.proof p where p.job_no = p_job_no);
  if found then
    delete from campaign.proof p where p.job_no = p_job_no;
    return true;
  elsif campaign._has_work(p_job_no) then
    return null;
  end if;
  delete from campaign.proof p where p.job_no = p_job_no;
  return false;
end
$$;
