create function campaign._api_stats(p_job uuid)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Looked for first: it says so if there is no such campaign.
  select jsonb_build_object('stats', (select to_jsonb(s) from campaign.campaign_stats s where s.id = j.id))
  from campaign._find_job(p_job) j
$$;
