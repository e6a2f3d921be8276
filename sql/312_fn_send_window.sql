create function campaign._send_window(p_job_no bigint)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select least(1000, coalesce(
    (j.config ->> 'concurrency')::bigint + ceil(0.25 * least((j.config ->> 'rate_limit')::numeric, i.rate_limit))::bigint,
    1000))
  from campaign.email_jobs j
  join campaign.email_integrations i on i.id = j.integration_id
  where j.job_no = p_job_no
$$;
