create function campaign.register_runner(p_runner_id uuid, p_host text, p_pid integer, p_version text, p_protocol integer)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_protocol is distinct from 1 then
    raise exception using
      errcode = 'CP021',
      message = format('runner protocol %s is not supported', p_protocol),
      detail = format('Runner version %s; this database speaks protocol 1.', p_version),
      hint = 'Install the runner that belongs to this version of pg_campaign, or update the extension: alter extension pg_campaign update.';
  end if;
  perform campaign._enter_protocol();
  perform campaign._follow_incarnation();
  insert into campaign.runner as r (runner_id, host, pid, version, incarnation, started_at, heartbeat_at)
  values (p_runner_id, p_host, p_pid, p_version, campaign._incarnation(), campaign.now(), campaign.now())
  on conflict (runner_id) do update set heartbeat_at = excluded.heartbeat_at;
  return (
    select jsonb_build_object(
      'heartbeat_ms', (extract(epoch from campaign._setting_interval('heartbeat_every')) * 1000)::bigint,
      'fence_ms', (extract(epoch from campaign._setting_interval('fence_after')) * 1000)::bigint,
      'stale_ms', (extract(epoch from campaign._setting_interval('stale_after')) * 1000)::bigint));
end
$$;

comment on function campaign.register_runner(uuid, text, integer, text, integer) is
'A runner announces itself, with an id that it drew at its start. Returns {heartbeat_ms, fence_ms, stale_ms}. CP021: the protocol is not supported.';
