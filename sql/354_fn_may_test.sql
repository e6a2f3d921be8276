-- A test mail is not paced, but it counts: for the rate, so that campaigns make room for it, and for the quota, which it waits for.
create function campaign._may_test(p_integration_id uuid, p_runner_id uuid)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
  v_state campaign.relay_state;
  v_limits record;
  v_rate numeric;
begin
  insert into campaign.relay_state (integration_id) values (p_integration_id) on conflict do nothing;
  perform from campaign.relay_state s where s.integration_id = p_integration_id for update;
  v_now := campaign.now();
  select s.* into v_state from campaign.relay_state s where s.integration_id = p_integration_id;
  select i.rate_limit, i.daily_quota into v_limits from campaign.email_integrations i where i.id = p_integration_id;

  if v_limits.daily_quota is not null then
    if (campaign._relay_used(p_integration_id, v_now)).n >= v_limits.daily_quota then
      return false;
    end if;
    insert into campaign.relay_usage as u (integration_id, bucket, runner_id, n)
    values (p_integration_id, date_bin('10 min', v_now, timestamptz 'epoch'), p_runner_id, 1)
    on conflict (integration_id, bucket, runner_id) do update set n = u.n + 1;
  end if;

  v_rate := campaign._relay_rate(v_state, v_limits.rate_limit, v_now);
  insert into campaign.rate_bucket as b (bucket, tat)
  select 'integration ' || p_integration_id, v_now + interval '1 s' / v_rate::float8
  where v_rate is not null
  on conflict (bucket) do update set tat = greatest(b.tat, v_now) + interval '1 s' / v_rate::float8;
  return true;
end
$$;
