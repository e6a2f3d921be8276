create function campaign.grant(p_runner_id uuid, p_integration_id uuid, p_job_no bigint, p_want integer)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_integration_rate numeric;
  v_buckets text[];
  v_rates numeric[];
  v_now timestamptz;
  v_first timestamptz;
  v_granted bigint;
  v_at_work bigint;
begin
  -- A lost grant is lost: slower, never faster. So the commit need not wait for the disk.
  perform set_config('synchronous_commit', 'off', true);

  select max(i.rate_limit), array_agg(b.bucket order by b.bucket), array_agg(b.rate order by b.bucket)
  into v_integration_rate, v_buckets, v_rates
  from campaign.email_jobs j
  join campaign.email_integrations i on i.id = j.integration_id
  cross join lateral (values
    ('integration ' || i.id, i.rate_limit),
    ('job ' || j.job_no, (j.config ->> 'rate_limit')::numeric)) as b (bucket, rate)
  where j.job_no = p_job_no and i.id = p_integration_id and j.status in ('pending', 'running', 'partial')
    and exists (select from campaign.runner r where r.runner_id = p_runner_id);
  if v_buckets is null then
    return jsonb_build_object('granted', 0, 'first_in_us', 0, 'interval_us', 0);
  end if;

  insert into campaign.rate_bucket (bucket, tat)
  select b.bucket, '-infinity'
  from unnest(v_buckets, v_rates) as b (bucket, rate)
  where b.rate is not null
  on conflict do nothing;

  perform from campaign.rate_bucket b where b.bucket = any (v_buckets) order by b.bucket for update;
  -- Read under the locks: who waited for them must not grant slots of the past.
  v_now := campaign.now();

  select least(greatest(p_want, 0), min(ceil(extract(epoch from v_now + interval '1 s' - greatest(t.tat, v_now)) * b.rate))),
    greatest(v_now, max(t.tat))
  into v_granted, v_first
  from unnest(v_buckets, v_rates) as b (bucket, rate)
  join campaign.rate_bucket t on t.bucket = b.bucket and b.rate is not null;

  -- Fair: of the integration's second, each job that is at work gets its part, whoever asks first.
  select greatest(count(distinct c.job_no), 1) into v_at_work
  from campaign.chunk c
  join campaign.email_jobs j on j.job_no = c.job_no
  where c.state = 'leased' and j.integration_id = p_integration_id and j.status in ('pending', 'running', 'partial');
  v_granted := greatest(0, least(v_granted, ceil(v_integration_rate / v_at_work)));

  update campaign.rate_bucket t
  set tat = greatest(t.tat, v_now) + v_granted * interval '1 s' / b.rate::float8
  from unnest(v_buckets, v_rates) as b (bucket, rate)
  where t.bucket = b.bucket and b.rate is not null and v_granted > 0;

  return jsonb_build_object(
    'granted', v_granted,
    'first_in_us', (extract(epoch from v_first - v_now) * 1000000)::bigint,
    'interval_us', coalesce((select ceil(1000000 / min(r)) from unnest(v_rates) r), 0));
end
$$;

comment on function campaign.grant(uuid, uuid, bigint, integer) is
'Asks for permission to send p_want mails of a job within the next second, under the rates of integration and job, shared by all runners (GCRA), in equal parts for the jobs at work. Returns {granted, first_in_us, interval_us}: mail k may start first_in_us + k × interval_us after the answer, and not later than 2 s after the call; without any rate interval_us is 0.';
