-- Locks a chunk that a runner tells of. A retry chunk that was cut in what is lost comes into being again, as far as the runner
-- passed it; another runner may have passed other positions of it. The caller holds the job's lock.
create function campaign._replay_chunk(p_job_no bigint, p_chunk_no bigint, p_passed bigint[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_chunk campaign.chunk;
  v_positions bigint[];
begin
  perform from campaign.chunk c where c.job_no = p_job_no and c.chunk_no = p_chunk_no for no key update;
  select c.* into v_chunk from campaign.chunk c where c.job_no = p_job_no and c.chunk_no = p_chunk_no;
  if v_chunk.kind = 'range' or p_passed <@ v_chunk.positions then
    return;
  end if;
  v_positions := array(select distinct p from unnest(v_chunk.positions || p_passed) p order by p);
  -- Done at once: _replay_item records what became of each position in this same call.
  insert into campaign.chunk as c (job_no, chunk_no, kind, first_pos, last_pos, positions, n, state, mark, passed, recorded)
  values (p_job_no, p_chunk_no, 'retry', v_positions[1], v_positions[cardinality(v_positions)], v_positions, cardinality(v_positions),
    'done', v_positions[cardinality(v_positions)], cardinality(v_positions), cardinality(v_positions))
  on conflict (job_no, chunk_no) do update set
    first_pos = excluded.first_pos, last_pos = excluded.last_pos, positions = excluded.positions, n = excluded.n,
    mark = excluded.mark, passed = excluded.passed, recorded = excluded.recorded;
end
$$;
