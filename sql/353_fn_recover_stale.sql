create function campaign.recover_stale()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_stale_before timestamptz;
  v_alive_since timestamptz;
  v_chunk record;
  v_recovered integer := 0;
begin
  perform campaign._enter_protocol();
  if campaign._replay_is_awaited() then
    return 0;
  end if;
  v_stale_before := campaign.now() - campaign._setting_interval('stale_after');
  select t.alive_since into v_alive_since from campaign.tick_state t;
  if v_alive_since >= v_stale_before then
    return 0;
  end if;

  for v_chunk in
    select c.job_no, c.chunk_no, c.epoch
    from campaign.chunk c
    left join campaign.runner r on r.runner_id = c.runner_id
    where c.state = 'leased' and coalesce(r.heartbeat_at, '-infinity') < v_stale_before
    order by c.job_no, c.chunk_no
    for no key update of c skip locked
  loop
    -- Again, now that the lock is held: the owner may have been heard, or have reported, in between.
    if exists (
      select
      from campaign.chunk c
      left join campaign.runner r on r.runner_id = c.runner_id
      where c.job_no = v_chunk.job_no and c.chunk_no = v_chunk.chunk_no and c.epoch = v_chunk.epoch
        and c.state = 'leased' and coalesce(r.heartbeat_at, '-infinity') < v_stale_before
    ) then
      -- One chunk in a state that should not be, or one that takes too long, must not hold the others up.
      begin
        perform campaign._recover_chunk(v_chunk.job_no, v_chunk.chunk_no, 'the runner died');
        v_recovered := v_recovered + 1;
      exception when query_canceled or others then
        raise warning 'campaign: recovery of chunk % of job % failed: %', v_chunk.chunk_no, v_chunk.job_no, sqlerrm;
      end;
    end if;
    exit when campaign._time_is_up();
  end loop;
  return v_recovered;
end
$$;

comment on function campaign.recover_stale() is
'Ends the leases of runners that were silent for stale_after (30 s), in jobs of any status. What they may have been sending becomes uncertain, the rest is ready for others. Returns how many leases were ended. tick calls it.';
