-- Never reused, not even after a failover that lost the last commits.
create function campaign._next_number(p_last bigint)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return greatest(p_last + 1, (extract(epoch from campaign.now()) * 1000000)::bigint);
end
$$;
