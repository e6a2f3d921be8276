create function campaign._api_segments()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('segments', coalesce(
    jsonb_agg(jsonb_build_object('name', s.name, 'description', s.description) order by s.name), '[]'))
  from campaign.segments s
$$;
