-- Passed positions without an attempt or doubt row of this chunk: what its runner may be doing right now.
create function campaign._open_positions(p_chunk campaign.chunk)
returns bigint[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  if p_chunk.kind = 'range' then
    -- Neighbours in the index; EXCEPT has no plan that reads the attempts of the whole job.
    return (
      select coalesce(array_agg(o.pos order by o.pos), '{}')
      from (
        select generate_series(p_chunk.first_pos, p_chunk.mark) as pos
        except
        select t.pos
        from campaign.attempt t
        where t.job_no = p_chunk.job_no and t.pos between p_chunk.first_pos and p_chunk.mark and t.chunk_no = p_chunk.chunk_no
        except
        select d.pos
        from campaign.doubt d
        where d.job_no = p_chunk.job_no and d.pos between p_chunk.first_pos and p_chunk.mark and d.chunk_no = p_chunk.chunk_no
      ) o);
  end if;
  -- Scalar look-ups by the whole key: an anti-join would be planned over all attempts of the job.
  return (
    select coalesce(array_agg(p.pos order by p.pos), '{}')
    from unnest(p_chunk.positions) as p (pos)
    where p.pos <= p_chunk.mark
      and (
        select true from campaign.attempt t where t.job_no = p_chunk.job_no and t.pos = p.pos and t.chunk_no = p_chunk.chunk_no) is null
      and (
        select true from campaign.doubt d where d.job_no = p_chunk.job_no and d.pos = p.pos and d.chunk_no = p_chunk.chunk_no) is null);
end
$$;
