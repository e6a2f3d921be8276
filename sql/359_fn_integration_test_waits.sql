create function campaign._integration_test_waits(p_runner_id uuid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from campaign.integration_test m where m.passed is null and (m.runner_id is null or m.runner_id = p_runner_id))
$$;
