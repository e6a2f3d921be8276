create function campaign._api_campaign(p_job uuid)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('job', campaign._api_job(campaign._find_job(p_job)))
$$;
