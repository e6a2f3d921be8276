create function campaign.grant(p_runner_id uuid, p_integration_id uuid, p_job_no bigint, p_want integer, p_unused integer default 0)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_none constant jsonb := '{"granted": 0, "first_in_us": 0, "interval_us": 0}';
  v_spec record;
  v_state campaign.relay_state;
  v_relay_rate numeric;
  v_buckets text[];
  v_rates numeric[];
  v_now timestamptz;
  v_first timestamptz;
  v_granted bigint;
  v_at_work bigint;
begin
  -- A lost grant is lost: slower, never faster. So the commit need not wait for the disk.
  perform set_config('synchronous_commit', 'off', true);

  select i.rate_limit, i.daily_quota, (j.config ->> 'rate_limit')::numeric as job_rate into v_spec
  from campaign.email_jobs j
  join campaign.email_integrations i on i.id = j.integration_id
  where j.job_no = p_job_no and i.id = p_integration_id and j.status in ('pending', 'running', 'partial')
    and exists (select from campaign.runner r where r.runner_id = p_runner_id);
  if not found then
    return c_none;
  end if;

  if v_spec.daily_quota is not null then
    insert into campaign.relay_state (integration_id) values (p_integration_id) on conflict do nothing;
  end if;
  perform from campaign.relay_state s where s.integration_id = p_integration_id for update;
  v_now := campaign.now();
  select s.* into v_state from campaign.relay_state s where s.integration_id = p_integration_id;
  v_relay_rate := campaign._relay_rate(v_state, v_spec.rate_limit, v_now);

  if v_spec.daily_quota is not null and p_unused > 0 then
    with mine as (
      select u.bucket, u.n, sum(u.n) over (order by u.bucket desc) - u.n as newer
      from campaign.relay_usage u
      where u.integration_id = p_integration_id and u.runner_id = p_runner_id and u.bucket > v_now - interval '20 min'
    )
    update campaign.relay_usage u
    set n = u.n - least(m.n, greatest(0, p_unused - m.newer))
    from mine m
    where u.integration_id = p_integration_id and u.runner_id = p_runner_id and u.bucket = m.bucket;
  end if;
  if v_state.held_until > v_now then
    return c_none;
  end if;

  select array_agg(b.bucket order by b.bucket), array_agg(b.rate order by b.bucket) into v_buckets, v_rates
  from (values ('integration ' || p_integration_id, v_relay_rate), ('job ' || p_job_no, v_spec.job_rate)) as b (bucket, rate)
  where b.rate is not null;

  insert into campaign.rate_bucket (bucket, tat) select b.bucket, '-infinity' from unnest(v_buckets) as b (bucket) on conflict do nothing;
  perform from campaign.rate_bucket b where b.bucket = any (v_buckets) order by b.bucket for update;
  -- Read under the locks: who waited for them must not grant slots of the past.
  v_now := campaign.now();
  -- A rate that was raised holds now, not when the wait of the old one is over.
  update campaign.rate_bucket t
  set tat = v_now + interval '1 s' + interval '1 s' / b.rate::float8
  from unnest(v_buckets, v_rates) as b (bucket, rate)
  where t.bucket = b.bucket and t.tat > v_now + interval '1 s' + interval '1 s' / b.rate::float8;

  select least(greatest(p_want, 0), min(ceil(extract(epoch from v_now + interval '1 s' - greatest(t.tat, v_now)) * b.rate))),
    greatest(v_now, max(t.tat))
  into v_granted, v_first
  from unnest(v_buckets, v_rates) as b (bucket, rate)
  join campaign.rate_bucket t on t.bucket = b.bucket;

  -- Fair: of the integration's second, each job that is at work gets its part, whoever asks first.
  select greatest(count(distinct c.job_no), 1) into v_at_work
  from campaign.chunk c
  join campaign.email_jobs j on j.job_no = c.job_no
  where c.state = 'leased' and j.integration_id = p_integration_id and j.status in ('pending', 'running', 'partial');
  v_granted := greatest(0, least(v_granted, ceil(v_relay_rate / v_at_work)));

  if v_spec.daily_quota is not null then
    v_granted := greatest(0, least(v_granted, v_spec.daily_quota - (campaign._relay_used(p_integration_id, v_now)).n));
    if v_granted > 0 then
      insert into campaign.relay_usage as u (integration_id, bucket, runner_id, n)
      values (p_integration_id, date_bin('10 min', v_now, timestamptz 'epoch'), p_runner_id, v_granted)
      on conflict (integration_id, bucket, runner_id) do update set n = u.n + excluded.n;
      delete from campaign.relay_usage u
      where u.integration_id = p_integration_id and u.bucket <= v_now - interval '24 hours 11 min';
    end if;
  end if;

  update campaign.rate_bucket t
  set tat = greatest(t.tat, v_now) + v_granted * interval '1 s' / b.rate::float8
  from unnest(v_buckets, v_rates) as b (bucket, rate)
  where t.bucket = b.bucket and v_granted > 0;

  return jsonb_build_object(
    'granted', v_granted,
    'first_in_us', (extract(epoch from v_first - v_now) * 1000000)::bigint,
    -- Tokens under a quota are counted, also where nothing sets their pace.
    'interval_us', coalesce((select ceil(1000000 / min(r)) from unnest(v_rates) r), case when v_spec.daily_quota is not null then 1 else 0 end));
end
$$;

comment on function campaign.grant(uuid, uuid, bigint, integer, integer) is
'Asks for permission to send p_want mails of a job within the next second, under the rates of integration and job, shared by all runners (GCRA), in equal parts for the jobs at work; under the integration''s daily_quota; and not while its relay is slowed down or held. p_unused: tokens of this runner''s earlier grants for the job that lapsed unused, told once, in one call only: they are given back to the quota. Returns {granted, first_in_us, interval_us}: mail k may start first_in_us + k × interval_us after the answer, and not later than 2 s after the call; without any rate or quota interval_us is 0.';
