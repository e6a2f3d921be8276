-- The view of runners calls it for people who may not read the settings.
create function campaign._setting_interval(p_name text)
returns interval
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (select s.value::interval from campaign.setting s where s.name = p_name),
    case p_name
      when 'heartbeat_every' then interval '5 s'
      when 'fence_after' then interval '20 s'
      when 'stale_after' then interval '30 s'
    end);
end
$$;
