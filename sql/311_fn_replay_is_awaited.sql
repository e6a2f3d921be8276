create function campaign._replay_is_awaited()
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select i.awaits_replay or i.name <> campaign._incarnation() from campaign.incarnation i), false);
end
$$;
