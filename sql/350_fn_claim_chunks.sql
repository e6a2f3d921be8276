-- Plan pinned: without statistics a hash join would read the whole audience at each claim.
create function campaign.claim_chunks(p_runner_id uuid, p_want integer, p_known jsonb)
returns table (
  job_no bigint,
  chunk_no bigint,
  epoch bigint,
  kind text,
  mark bigint,
  positions bigint[],
  emails text[],
  vars jsonb[],
  first_leased_at timestamptz[],
  job_id uuid
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_now timestamptz := campaign.now();
  v_job record;
  v_chunk campaign.chunk;
  v_unknown campaign.chunk[];
  v_leases_from bigint;
  v_claimed integer := 0;
  v_tried bigint[] := '{}';
begin
  perform campaign._enter_protocol();
  perform campaign._renew_heartbeat(p_runner_id, p_fresh => interval '1 s');
  if campaign._replay_is_awaited() then
    return;
  end if;

  -- Read under the row's lock, which this call holds now: so it cannot rise over a lease that is not committed yet.
  select r.leases_from into strict v_leases_from from campaign.runner r where r.runner_id = p_runner_id;

  -- The answer that told of these leases was lost, so nothing of them was started under this runner's eyes.
  -- All chunks are locked before the first doubt.
  v_unknown := array(
    select c
    from campaign.chunk c
    where c.state = 'leased' and c.runner_id = p_runner_id and c.epoch >= v_leases_from
      and not exists (
        select from jsonb_to_recordset(p_known) as k (job_no bigint, chunk_no bigint, epoch bigint)
        where k.job_no = c.job_no and k.chunk_no = c.chunk_no and k.epoch = c.epoch)
    order by c.job_no, c.chunk_no
    for no key update);
  foreach v_chunk in array v_unknown loop
    perform campaign._recover_chunk(v_chunk.job_no, v_chunk.chunk_no, 'the runner does not know this lease');
  end loop;

  while v_claimed < p_want loop
    -- Fair: the job with the fewest leases comes first. Two leases of a job are enough for a runner: one at work, one at hand.
    -- Range chunks up to the cursor are done. Their entries in the index stay as long as somebody holds a snapshot: none is looked at.
    select j.job_no, j.status, j.cursor / j.chunk_size as done_up_to into v_job
    from campaign.email_jobs j
    where j.status in ('pending', 'running', 'partial')
      and not j.job_no = any (v_tried)
      -- Not EXISTS, which would be planned as one look at all ready chunks.
      and (select true from campaign.chunk c
        where c.job_no = j.job_no and c.chunk_no > j.cursor / j.chunk_size and c.state = 'ready' and c.not_before <= v_now limit 1)
      and 2 > (
        select count(*) from campaign.chunk c
        where c.state = 'leased' and c.runner_id = p_runner_id and c.epoch >= v_leases_from and c.job_no = j.job_no)
    order by (
      -- Not a join, which may begin with all leases.
      select sum((
        select count(*) from campaign.chunk c
        where c.state = 'leased' and c.runner_id = r.runner_id and c.epoch >= r.leases_from and c.job_no = j.job_no))
      from campaign.runner r), j.job_no
    limit 1;
    exit when not found;

    if v_job.status = 'pending' then
      perform from campaign.email_jobs j where j.job_no = v_job.job_no and j.status = 'pending' for no key update skip locked;
      if not found then
        v_tried := v_tried || v_job.job_no;
        continue;
      end if;
    end if;

    with pick as materialized (
      select c.job_no, c.chunk_no
      from campaign.chunk c
      where c.job_no = v_job.job_no and c.chunk_no > v_job.done_up_to and c.state = 'ready' and c.not_before <= v_now
      order by c.chunk_no
      limit 1
      for no key update skip locked
    )
    update campaign.chunk c
    set state = 'leased',
      runner_id = p_runner_id,
      epoch = greatest(campaign._next_number(c.epoch), v_leases_from),
      first_leased_at = coalesce(c.first_leased_at, v_now)
    from pick p
    where c.job_no = p.job_no and c.chunk_no = p.chunk_no
    returning c.* into v_chunk;
    if not found then
      v_tried := v_tried || v_job.job_no;
      continue;
    end if;

    if v_job.status = 'pending' then
      update campaign.email_jobs j
      set status = 'running', started_at = coalesce(j.started_at, v_now), last_heartbeat = v_now
      where j.job_no = v_job.job_no;
    end if;

    v_claimed := v_claimed + 1;
    return query
      select v_chunk.job_no, v_chunk.chunk_no, v_chunk.epoch, v_chunk.kind, v_chunk.mark, w.positions, w.emails, w.vars, w.first_leased_at,
        (select j.id from campaign.email_jobs j where j.job_no = v_chunk.job_no)
      from (
        select
          array_agg(r.pos) as positions,
          array_agg(r.email) as emails,
          array_agg(r.vars) as vars,
          array_agg(coalesce(
            case when v_chunk.kind = 'range' then v_chunk.first_leased_at end,
            (select o.first_leased_at
             from campaign.chunk o
             join campaign.email_jobs j on j.job_no = o.job_no
             where o.job_no = r.job_no and o.chunk_no = (r.pos - 1) / j.chunk_size + 1))) as first_leased_at
        from (
          -- Sorted once, and not by each aggregate. Two branches, and one look-up a position: a kept plan would read all recipients
          -- between those of a retry chunk.
          select i.job_no, i.pos, i.email, i.vars
          from campaign.recipient i
          where v_chunk.kind = 'range' and i.job_no = v_chunk.job_no and i.pos > v_chunk.mark and i.pos <= v_chunk.last_pos
          union all
          select i.job_no, i.pos, i.email, i.vars
          from unnest(v_chunk.positions) as p (pos)
          cross join lateral (
            select o.* from campaign.recipient o where o.job_no = v_chunk.job_no and o.pos = p.pos offset 0
          ) i
          where v_chunk.kind = 'retry' and p.pos > v_chunk.mark
          order by pos
        ) r
      ) w;
  end loop;
end
$$;

comment on function campaign.claim_chunks(uuid, integer, jsonb) is
'Leases at most p_want chunks to a runner; p_known are the leases that it knows: [{job_no, chunk_no, epoch}], any other lease of it is recovered first. One row a lease, with the recipients above the mark. Nothing may be sent before report has passed it. first_leased_at is when the recipient''s range chunk was leased first: Date and Message-ID derive from it. None while the database waits for runners that replay. CP020: not registered.';
