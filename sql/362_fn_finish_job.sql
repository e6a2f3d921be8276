-- Finish is a proof: the audience is filled, every chunk is done, nobody waits for a retry, the counters add up to the total,
-- and they equal a count of the facts. What a tick has no time to count is counted by the next: the caller holds the job's lock, and has deleted
-- what was counted before a state changed, as a dirty chunk tells. Returns whether the job ended; null: the count goes on.
create function campaign._finish_job(p_job_no bigint)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Counted in a quarter of a second, 1 M in 4 s: what else there is to do waits a second at most.
  c_part constant bigint := 50000;
  c_all constant bigint := 9223372036854775807;
  v_all bigint := (select j.total_contacts from campaign.email_jobs j where j.job_no = p_job_no);
  v_proof campaign.proof := row(p_job_no, 0, 0, 0, 0, 0, 0);
  v_kept campaign.proof;
  v_part record;
begin
  delete from campaign.proof p where p.job_no = p_job_no returning p.* into v_kept;
  if found then
    v_proof := v_kept;
  end if;
  loop
    select f.* into v_part
    from campaign._count_facts(p_job_no, v_proof.up_to, case when v_proof.up_to + c_part < v_all then v_proof.up_to + c_part else c_all end) f;
    v_proof.up_to := v_proof.up_to + c_part;
    v_proof.total := v_proof.total + v_part.total;
    v_proof.sent := v_proof.sent + v_part.sent;
    v_proof.failed := v_proof.failed + v_part.failed;
    v_proof.uncertain := v_proof.uncertain + v_part.uncertain;
    v_proof.suppressed := v_proof.suppressed + v_part.suppressed;
    exit when v_proof.up_to >= v_all;
    if campaign._time_is_up(interval '1 s') then
      insert into campaign.proof values (v_proof.*);
      return null;
    end if;
  end loop;

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
    and (j.total_contacts, j.sent_count, j.failed_count, j.uncertain_count, j.suppressed_count)
      = (v_proof.total, v_proof.sent, v_proof.failed, v_proof.uncertain, v_proof.suppressed);
  return found;
end
$$;
