create function campaign._renew_heartbeat(p_runner_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update campaign.runner r set heartbeat_at = campaign.now() where r.runner_id = p_runner_id;
  if not found then
    raise exception using
      errcode = 'CP020',
      message = 'this runner is not registered',
      detail = format('There is no runner %s; it was unregistered, or silent for over a day.', p_runner_id),
      hint = 'Restart the runner: it registers under a new id.';
  end if;
end
$$;
