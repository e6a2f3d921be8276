-- What nobody works on in a cancelled job ends here: ready chunks, waiting retries. A resend that is cut off so is an open
-- doubt again. What is locked is left to the next tick. The caller holds the job's lock.
create function campaign._close_cancelled(p_job campaign.email_jobs)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ready bigint[];
  v_cut bigint[];
  v_before record;
  v_after record;
begin
  -- For _count_changes; locks in key order. A tick holds chunks that it has recovered, a report may come to them: so nobody waits here.
  perform from campaign.chunk c where c.job_no = p_job.job_no and c.chunk_no = 1 for no key update skip locked;
  if not found then
    return;
  end if;

  select coalesce(array_agg(r.chunk_no), '{}') into v_ready
  from (
    select c.chunk_no
    from campaign.chunk c
    where c.job_no = p_job.job_no and c.state = 'ready'
    order by c.chunk_no
    for no key update skip locked
  ) r;

  select coalesce(array_agg(i.pos), '{}') into v_cut
  from campaign.retry_item i
  where i.job_no = p_job.job_no and (i.chunk_no is null or i.chunk_no = any (v_ready));

  perform campaign._lock_doubts(p_job.job_no, v_cut);
  select s.* into v_before from campaign._state_counts(p_job.job_no, v_cut) s;

  delete from campaign.retry_item i
  where i.job_no = p_job.job_no and i.pos = any (v_cut) and (i.chunk_no is null or i.chunk_no = any (v_ready));

  update campaign.doubt d
  set decision = null, decided_by = null, decided_at = null
  where d.job_no = p_job.job_no and d.pos = any (v_cut) and d.decision = 'resend';

  update campaign.chunk c
  set state = 'cancelled', epoch = campaign._next_number(c.epoch), dirty = true
  where c.job_no = p_job.job_no and c.chunk_no = any (v_ready);

  if cardinality(v_cut) > 0 then
    select s.* into v_after from campaign._state_counts(p_job.job_no, v_cut) s;
    perform campaign._count_changes(p_job.job_no, v_before, v_after);
  end if;
end
$$;
