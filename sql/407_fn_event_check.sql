create function campaign._event_check()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.value from campaign.setting s where s.name = 'event_check'
$$;
