-- What a runner did under one lease, told to a database that may have forgotten it. The caller holds the locks of job, chunk and
-- doubts; the chunk exists. What the lease passed without an outcome is in doubt, or skipped where another attempt is known to be
-- accepted; unless the chunk is leased by another runner here: then that one's own replay, or its recovery, is the judge.
create function campaign._replay_item(p_runner_id uuid, p_item jsonb)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_job campaign.email_jobs;
  v_chunk campaign.chunk;
  v_outcomes jsonb;
  v_mark bigint;
  v_touched bigint[];
  v_open bigint[];
  v_skipped bigint[];
  v_before record;
  v_after record;
begin
  select j.* into strict v_job from campaign.email_jobs j where j.job_no = (p_item ->> 'job_no')::bigint;
  select c.* into strict v_chunk
  from campaign.chunk c
  where c.job_no = v_job.job_no and c.chunk_no = (p_item ->> 'chunk_no')::bigint;

  select coalesce(jsonb_agg(o.told), '[]') into v_outcomes
  from jsonb_array_elements(p_item -> 'outcomes') as o (told)
  where (
    select true from campaign.attempt t
    where t.job_no = v_chunk.job_no and t.pos = (o.told ->> 'pos')::bigint and t.chunk_no = v_chunk.chunk_no) is null;
  v_mark := least(v_chunk.last_pos, greatest(v_chunk.mark, (p_item ->> 'mark')::bigint));
  v_touched := array(select (o ->> 'pos')::bigint from jsonb_array_elements(v_outcomes) o)
    || array(select campaign._positions(v_chunk, v_chunk.mark, v_mark)) || campaign._open_positions(v_chunk);
  if cardinality(v_touched) = 0 and v_chunk.runner_id is distinct from p_runner_id then
    return;
  end if;
  perform campaign._lock_doubts(v_chunk.job_no, v_touched);
  if v_chunk.kind = 'retry' then
    -- What waits here to be tried again was tried in this chunk.
    update campaign.retry_item i
    set chunk_no = v_chunk.chunk_no
    where i.job_no = v_chunk.job_no and i.pos = any (v_touched) and i.chunk_no is null;
  end if;
  v_before := campaign._state_counts(v_chunk.job_no, v_touched);

  v_chunk.passed := v_chunk.passed + (select count(*) from campaign._positions(v_chunk, v_chunk.mark, v_mark));
  v_chunk.mark := v_mark;
  if v_chunk.state <> 'leased' or v_chunk.runner_id = p_runner_id then
    -- By the end of this call all that is passed is recorded.
    v_chunk.recorded := v_chunk.passed;
    if v_chunk.state = 'leased' then
      v_chunk.epoch := campaign._next_number(v_chunk.epoch);
    end if;
    v_chunk.state := case when v_chunk.state = 'cancelled' and v_mark < v_chunk.last_pos then 'cancelled'
      when v_mark < v_chunk.last_pos then 'ready' else 'done' end;
    v_chunk.runner_id := null;
  end if;
  update campaign.chunk c
  set mark = v_chunk.mark, passed = v_chunk.passed, recorded = v_chunk.recorded, state = v_chunk.state, runner_id = v_chunk.runner_id,
    epoch = v_chunk.epoch,
    -- Every attempt of a recipient has the same date.
    first_leased_at = coalesce(c.first_leased_at,
      case when c.kind = 'range' then timestamptz 'epoch' + (p_item ->> 'first_leased_us')::bigint * interval '1 microsecond' end)
  where c.job_no = v_chunk.job_no and c.chunk_no = v_chunk.chunk_no;

  v_chunk.recorded := v_chunk.recorded + (campaign._record_outcomes(p_runner_id, v_job, v_chunk, (p_item ->> 'epoch')::bigint, v_outcomes, false)).recorded;

  if v_chunk.state <> 'leased' then
    v_open := campaign._open_positions(v_chunk);
    with known as (
      insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at)
      select v_chunk.job_no, p.pos, v_chunk.chunk_no, 'skipped', p_runner_id, (p_item ->> 'epoch')::bigint, campaign.now()
      from unnest(v_open) as p (pos)
      where exists (select from campaign.attempt t where t.job_no = v_chunk.job_no and t.pos = p.pos and t.outcome = 'sent')
      returning pos
    )
    select coalesce(array_agg(k.pos), '{}') into v_skipped from known k;
    delete from campaign.retry_item i
    where i.job_no = v_chunk.job_no and i.pos = any (v_skipped) and i.chunk_no = v_chunk.chunk_no;
    perform campaign._open_doubts(v_chunk.job_no, v_chunk.chunk_no, array(select p from unnest(v_open) p where not p = any (v_skipped)),
      'the database forgot what became of it');
    v_chunk.recorded := v_chunk.passed;
  end if;

  v_after := campaign._state_counts(v_chunk.job_no, v_touched);
  update campaign.chunk c
  set
    recorded = v_chunk.recorded,
    dirty = true,
    n_sent = c.n_sent + v_after.sent - v_before.sent,
    n_failed = c.n_failed + v_after.failed - v_before.failed,
    n_uncertain = c.n_uncertain + v_after.uncertain - v_before.uncertain,
    n_suppressed = c.n_suppressed + v_after.suppressed - v_before.suppressed
  where c.job_no = v_chunk.job_no and c.chunk_no = v_chunk.chunk_no;
end
$$;
