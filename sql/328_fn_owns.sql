create function campaign._owns(p_chunk campaign.chunk, p_runner_id uuid, p_epoch bigint)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return p_chunk.state = 'leased' and (p_chunk.runner_id, p_chunk.epoch) is not distinct from (p_runner_id, p_epoch);
end
$$;
