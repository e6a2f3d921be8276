create function campaign._stopped_jobs(p_runner_id uuid)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(distinct c.job_no), '[]')
  from campaign.chunk c
  join campaign.email_jobs j on j.job_no = c.job_no
  where c.state = 'leased' and c.runner_id = p_runner_id
    and j.status not in ('pending', 'running', 'partial')
$$;
