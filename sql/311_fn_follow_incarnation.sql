-- Sees that this is another database than the one whose rows it has, and closes the gate where work is left. What the copy
-- remembers last bounds what it can have lost.
create function campaign._follow_incarnation()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  v_name text := campaign._incarnation();
begin
  if exists (select from campaign.incarnation i where i.name = v_name) then
    return;
  end if;
  insert into campaign.incarnation (name, since) values (v_name, v_now) on conflict do nothing;
  perform from campaign.incarnation i for update;
  update campaign.incarnation i
  set name = v_name, since = v_now, previous = i.name, replays = 0, forgotten = 0,
    -- Also where all have ended: what is lost may have been a retry.
    awaits_replay = exists (select from campaign.email_jobs),
    heard_until = greatest(
      -- A second change finds the gate closed: what was unknown before is unknown still.
      case when not i.awaits_replay then (select t.last_tick_at from campaign.tick_state t) end,
      case when not i.awaits_replay then (select max(r.heartbeat_at) from campaign.runner r) end,
      case when i.awaits_replay then i.heard_until end)
  where i.name <> v_name;
end
$$;
