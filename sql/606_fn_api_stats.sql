create function campaign._api_stats(p_job uuid)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('stats', to_jsonb(s))
  from campaign.campaign_stats s
  where s.id = (campaign._find_job(p_job)).id
$$;
