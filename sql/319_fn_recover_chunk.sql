-- Ends a lease whose owner is dead or does not know of it. The caller holds the chunk's lock: facts are read here, in later
-- statements (one statement that locks and reads sees the new mark and the old facts).
create function campaign._recover_chunk(p_job_no bigint, p_chunk_no bigint, p_cause text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_chunk campaign.chunk;
  v_open bigint[];
  v_before record;
  v_after record;
  v_quiet_until timestamptz;
begin
  select c.* into strict v_chunk from campaign.chunk c where c.job_no = p_job_no and c.chunk_no = p_chunk_no;

  v_open := campaign._open_positions(v_chunk);
  perform campaign._lock_doubts(p_job_no, v_open);
  select s.* into v_before from campaign._state_counts(p_job_no, v_open) s;

  -- As in _open_doubts, from when the owner was heard last.
  select coalesce(max(r.heartbeat_at), campaign.now()) + campaign._setting_interval('fence_after') + interval '630 s'
  into v_quiet_until
  from campaign.runner r
  where r.runner_id = v_chunk.runner_id;

  perform campaign._open_doubts(p_job_no, p_chunk_no, v_open, p_cause, v_quiet_until);
  select s.* into v_after from campaign._state_counts(p_job_no, v_open) s;

  update campaign.chunk c
  set
    state = case when c.mark < c.last_pos then 'ready' else 'done' end,
    runner_id = null,
    epoch = campaign._next_number(c.epoch),
    recorded = c.passed,
    dirty = true,
    n_sent = c.n_sent + v_after.sent - v_before.sent,
    n_failed = c.n_failed + v_after.failed - v_before.failed,
    n_uncertain = c.n_uncertain + v_after.uncertain - v_before.uncertain,
    n_suppressed = c.n_suppressed + v_after.suppressed - v_before.suppressed
  where c.job_no = p_job_no and c.chunk_no = p_chunk_no;
end
$$;
