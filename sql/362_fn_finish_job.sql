-- Finish is a proof: the audience is filled, every chunk is done, nobody waits for a retry, the counters add up to the total,
-- and they equal a count of the facts. One statement, under the job's lock. Returns whether the job ended.
create function campaign._finish_job(p_job_no bigint)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update campaign.email_jobs j
  set
    status = case when j.sent_count + j.uncertain_count > 0 then 'completed' else 'failed' end,
    status_reason = case when j.sent_count + j.uncertain_count > 0 then null else 'nothing was sent' end,
    completed_at = campaign.now()
  where j.job_no = p_job_no
    and j.status in ('pending', 'running', 'partial')
    and j.sent_count + j.failed_count + j.uncertain_count + j.suppressed_count = j.total_contacts
    and not exists (select from campaign.chunk c where c.job_no = p_job_no and c.state <> 'done')
    and not exists (select from campaign.retry_item i where i.job_no = p_job_no)
    and j.total_contacts = (select sum(c.n) from campaign.chunk c where c.job_no = p_job_no and c.kind = 'range')
    and (j.total_contacts, j.sent_count, j.failed_count, j.uncertain_count, j.suppressed_count) = (
      select f.total, f.sent, f.failed, f.uncertain, f.suppressed from campaign._count_facts(p_job_no) f);
  return found;
end
$$;
