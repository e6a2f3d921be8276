create function campaign._runners_alive()
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(*) from campaign.runner r where r.heartbeat_at > campaign.now() - campaign._setting_interval('stale_after')
$$;
