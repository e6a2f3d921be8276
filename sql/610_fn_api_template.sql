create function campaign._api_template(p_template text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('template', to_jsonb(t))
  from campaign._find_template(p_template) t
$$;
