-- Locks the runner's row, and writes that it lives, unless that was written within p_fresh: each writing leaves a dead row, which the next one has to
-- pass as long as somebody holds a snapshot.
create function campaign._renew_heartbeat(p_runner_id uuid, p_fresh interval default '0')
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
begin
  perform campaign._check_runner(p_runner_id);
  perform from campaign.runner r where r.runner_id = p_runner_id for no key update;
  if not found then
    -- It was unregistered in between.
    perform campaign._check_runner(p_runner_id);
  end if;
  v_now := campaign.now();
  update campaign.runner r
  set heartbeat_at = v_now
  where r.runner_id = p_runner_id and (r.heartbeat_at <= v_now - p_fresh or r.heartbeat_at > v_now);
end
$$;
