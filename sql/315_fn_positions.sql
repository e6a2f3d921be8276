-- Positions of a chunk in (p_above, p_up_to], in order.
create function campaign._positions(p_chunk campaign.chunk, p_above bigint, p_up_to bigint)
returns setof bigint
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_chunk.kind = 'range' then
    return query select generate_series(greatest(p_chunk.first_pos, p_above + 1), least(p_chunk.last_pos, p_up_to));
  else
    return query select p from unnest(p_chunk.positions) p where p > p_above and p <= p_up_to order by p;
  end if;
end
$$;
