create function campaign._renew_heartbeat(p_runner_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform campaign._check_runner(p_runner_id);
  update campaign.runner r set heartbeat_at = campaign.now() where r.runner_id = p_runner_id;
  if not found then
    -- It was unregistered in between.
    perform campaign._check_runner(p_runner_id);
  end if;
end
$$;
