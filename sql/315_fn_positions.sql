-- Positions of a chunk in (p_above, p_up_to], in order.
create function campaign._positions(p_chunk campaign.chunk, p_above bigint, p_up_to bigint)
returns setof bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select g from generate_series(greatest(p_chunk.first_pos, p_above + 1), least(p_chunk.last_pos, p_up_to)) g where p_chunk.kind = 'range'
  union all
  select p from unnest(p_chunk.positions) p where p_chunk.kind = 'retry' and p > p_above and p <= p_up_to
  order by 1
$$;
