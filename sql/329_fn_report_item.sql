-- One item of a report or release. The caller holds the locks of the chunk, of the doubts named and, when p_job_locked, of the job.
create function campaign._report_item(p_runner_id uuid, p_item jsonb, p_release boolean, p_job_locked boolean)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
  v_chunk campaign.chunk;
  v_epoch bigint := (p_item ->> 'epoch')::bigint;
  v_next_mark bigint := (p_item ->> 'next_mark')::bigint;
  v_outcomes jsonb := coalesce(nullif(p_item -> 'outcomes', 'null'), '[]');
  v_owner boolean;
  v_runs boolean;
  v_verdict text;
  v_untouched boolean;
  v_touched bigint[] := '{}';
  v_open bigint[];
  v_before record;
  v_after record;
  v_told record;
  v_newly_sent bigint := 0;
  v_pass record;
begin
  select c.* into strict v_chunk
  from campaign.chunk c
  where c.job_no = (p_item ->> 'job_no')::bigint and c.chunk_no = (p_item ->> 'chunk_no')::bigint;
  v_owner := campaign._owns(v_chunk, p_runner_id, v_epoch);

  -- Fenced between the look and the lock: the job's lock would come too late in the order.
  if not v_owner and not p_job_locked then
    return jsonb_build_object('job_no', v_chunk.job_no, 'chunk_no', v_chunk.chunk_no, 'epoch', v_epoch,
      'verdict', 'again', 'mark', v_chunk.mark, 'go', jsonb_build_array());
  end if;

  select j.* into strict v_job from campaign.email_jobs j where j.job_no = v_chunk.job_no;
  v_runs := v_job.status in ('pending', 'running', 'partial');

  -- The usual case: all were pending before, and whoever the relay took is sent now. So nobody's state need be looked up but of others.
  v_untouched := v_owner and not p_release and campaign._is_untouched(v_chunk);
  if not v_untouched then
    v_touched := array(select o.pos from jsonb_to_recordset(v_outcomes) as o (pos bigint));
    if v_owner and v_runs and not p_release and v_next_mark > v_chunk.mark then
      v_touched := v_touched || array(select campaign._positions(v_chunk, v_chunk.mark, v_next_mark));
    end if;
    if v_owner and p_release then
      v_touched := v_touched || campaign._open_positions(v_chunk);
    end if;
  end if;
  v_before := campaign._state_counts(v_chunk.job_no, v_touched);

  v_told := campaign._record_outcomes(p_runner_id, v_job, v_chunk, v_epoch, v_outcomes, v_untouched);
  v_chunk.recorded := v_chunk.recorded + v_told.recorded;
  if v_untouched then
    v_touched := v_told.others;
    v_newly_sent := cardinality(v_told.sent);
  end if;

  if v_owner and v_runs and not p_release and v_next_mark > v_chunk.mark then
    v_pass := campaign._pass_mark(p_runner_id, v_chunk, v_next_mark, v_untouched);
    v_chunk.mark := v_pass.mark;
    v_chunk.passed := v_pass.passed;
    v_chunk.recorded := v_chunk.recorded + cardinality(v_pass.refused);
    if v_untouched then
      v_touched := v_touched || v_pass.refused;
    end if;
    if cardinality(v_pass.refused) > 0 then
      -- A refused recipient leaves the chunk's hands only with the mark, and the states below are read from the table.
      update campaign.chunk c
      set mark = v_chunk.mark, passed = v_chunk.passed, recorded = v_chunk.recorded
      where c.job_no = v_chunk.job_no and c.chunk_no = v_chunk.chunk_no;
    end if;
  end if;

  if v_owner and p_release then
    -- A runner that gives a lease back has told of every position; what it did not tell of is in doubt.
    v_open := campaign._open_positions(v_chunk);
    if cardinality(v_open) > 0 then
      perform campaign._open_doubts(v_chunk.job_no, v_chunk.chunk_no, v_open, 'given back without an outcome');
      v_chunk.recorded := v_chunk.passed;
    end if;
  end if;

  v_verdict := case
    when not v_owner then 'fenced'
    when v_chunk.recorded = v_chunk.n then 'done'
    when p_release then 'ok'
    when not v_runs then 'stop'
    else 'ok'
  end;
  if v_verdict = 'done' or (v_owner and p_release) then
    v_chunk.state := case when v_chunk.recorded = v_chunk.n then 'done' else 'ready' end;
    v_chunk.runner_id := null;
    v_chunk.epoch := campaign._next_number(v_chunk.epoch);
  end if;

  v_after := campaign._state_counts(v_chunk.job_no, v_touched);

  update campaign.chunk c
  set
    state = v_chunk.state,
    runner_id = v_chunk.runner_id,
    epoch = v_chunk.epoch,
    mark = v_chunk.mark,
    passed = v_chunk.passed,
    recorded = v_chunk.recorded,
    dirty = true,
    n_sent = c.n_sent + v_newly_sent + v_after.sent - v_before.sent,
    n_failed = c.n_failed + v_after.failed - v_before.failed,
    n_uncertain = c.n_uncertain + v_after.uncertain - v_before.uncertain,
    n_suppressed = c.n_suppressed + v_after.suppressed - v_before.suppressed
  where c.job_no = v_chunk.job_no and c.chunk_no = v_chunk.chunk_no;

  return jsonb_build_object(
    'job_no', v_chunk.job_no,
    'chunk_no', v_chunk.chunk_no,
    'epoch', v_epoch,
    'verdict', v_verdict,
    'mark', v_chunk.mark,
    'go', case when v_verdict in ('ok', 'stop') and not p_release
      then to_jsonb(campaign._open_positions(v_chunk)) else jsonb_build_array() end);
end
$$;
