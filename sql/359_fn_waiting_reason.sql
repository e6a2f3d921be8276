-- For what a running campaign waits, if not for its turn; null: for nothing.
create function campaign._waiting_reason(p_job campaign.email_jobs)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  v_relay record;
  v_trouble record;
  v_used record;
  v_counted bigint := (select p.up_to from campaign.proof p where p.job_no = p_job.job_no);
begin
  if v_counted is not null then
    return format('waiting for the count at its end: %s of %s', v_counted, campaign._counted(p_job.total_contacts, 'recipient'));
  end if;

  select i.name, i.daily_quota, s.held_until, s.held_reason into v_relay
  from campaign.email_integrations i
  left join campaign.relay_state s on s.integration_id = i.id
  where i.id = p_job.integration_id;

  select r.host, t.* into v_trouble
  from campaign.relay_trouble t
  join campaign.runner r on r.runner_id = t.runner_id
  where t.integration_id = p_job.integration_id
    -- Somebody else at work can.
    and not exists (
      select
      from campaign.chunk c
      join campaign.runner a on a.runner_id = c.runner_id and a.heartbeat_at >= v_now - campaign._setting_interval('stale_after')
      where c.job_no = p_job.job_no and c.state = 'leased' and not exists (
        select from campaign.relay_trouble o where o.integration_id = t.integration_id and o.runner_id = c.runner_id))
  order by t.since, t.runner_id
  limit 1;
  if found then
    return format('waiting for relay %s: %s: %s; runner %s tries again at %s', v_relay.name,
      case v_trouble.phase
        when 'resolve' then 'its name is not found'
        when 'connect' then 'no connection'
        when 'tls' then 'no encryption'
        when 'auth' then 'no login'
        else 'no welcome' end,
      v_trouble.detail, v_trouble.host, date_trunc('second', v_trouble.retry_at));
  end if;

  if v_relay.held_until > v_now then
    return format('waiting until %s: relay %s: %s', date_trunc('second', v_relay.held_until), v_relay.name, v_relay.held_reason);
  end if;

  if v_relay.daily_quota is not null then
    v_used := campaign._relay_used(p_job.integration_id, v_now);
    if v_used.n >= v_relay.daily_quota then
      return format('waiting until %s: relay %s: daily_quota of %s is used up', date_trunc('second', v_used.fewer_at), v_relay.name,
        campaign._counted(v_relay.daily_quota, 'mail'));
    end if;
  end if;
  return null;
end
$$;
