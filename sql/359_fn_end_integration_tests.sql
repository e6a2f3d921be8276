-- A test whose runner is gone. Like leases, it is heard of first after a pause of all ticks.
create function campaign._end_integration_tests()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stale_before timestamptz := campaign.now() - campaign._setting_interval('stale_after');
begin
  update campaign.integration_test m
  set passed = false, detail = 'the runner died', ended_at = campaign.now()
  where m.runner_id is not null and m.passed is null
    and (select t.alive_since from campaign.tick_state t) < v_stale_before
    and not exists (select from campaign.runner r where r.runner_id = m.runner_id and r.heartbeat_at >= v_stale_before);
end
$$;
