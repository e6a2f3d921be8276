-- Whether a range chunk has nobody who was in doubt or tried again: who has no attempt in it was never attempted, and is pending under
-- its lease. The caller holds the chunk's lock.
create function campaign._is_untouched(p_chunk campaign.chunk)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return p_chunk.kind = 'range'
    and (
      select true from campaign.doubt d
      where d.job_no = p_chunk.job_no and d.pos between p_chunk.first_pos and p_chunk.last_pos limit 1) is null
    -- Numbers of retry chunks come after those of all range chunks. In the index: no row is read.
    and (
      select true from campaign.attempt t
      where t.job_no = p_chunk.job_no and t.pos between p_chunk.first_pos and p_chunk.last_pos and t.chunk_no > p_chunk.chunk_no limit 1) is null;
end
$$;
