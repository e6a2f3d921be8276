-- The view of runners calls it for people who may not read the settings: so it tells of intervals only.
create function campaign._setting_interval(p_name text)
returns interval
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select s.value::interval from campaign.setting s where s.name = d.name), d.value)
  from (values
    ('heartbeat_every', interval '5 s'), ('fence_after', interval '20 s'), ('stale_after', interval '30 s')) as d (name, value)
  where d.name = p_name;
end
$$;
