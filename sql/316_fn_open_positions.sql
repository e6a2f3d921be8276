-- Passed positions without an attempt or doubt row of this chunk: what its runner may be doing right now.
create function campaign._open_positions(p_chunk campaign.chunk)
returns bigint[]
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
  -- Scalar look-ups by the whole key: an anti-join would be planned over all attempts of the job.
  select coalesce(array_agg(p.pos order by p.pos), '{}')
  from campaign._positions(p_chunk, p_chunk.first_pos - 1, p_chunk.mark) as p (pos)
  where (
      select true from campaign.attempt t where t.job_no = p_chunk.job_no and t.pos = p.pos and t.chunk_no = p_chunk.chunk_no) is null
    and (
      select true from campaign.doubt d where d.job_no = p_chunk.job_no and d.pos = p.pos and d.chunk_no = p_chunk.chunk_no) is null
$$;
