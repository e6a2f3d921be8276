-- States that change outside of any lease, as by a person: the job's first chunk carries the changes. The caller holds its lock.
create function campaign._count_changes(p_job_no bigint, p_before record, p_after record)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update campaign.chunk c
  set
    dirty = true,
    n_sent = c.n_sent + p_after.sent - p_before.sent,
    n_failed = c.n_failed + p_after.failed - p_before.failed,
    n_uncertain = c.n_uncertain + p_after.uncertain - p_before.uncertain,
    n_suppressed = c.n_suppressed + p_after.suppressed - p_before.suppressed
  where c.job_no = p_job_no and c.chunk_no = 1;
end
$$;
