create function campaign._api_preview(p_template text, p_email text, p_vars jsonb)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select to_jsonb(p)
  from campaign.preview(p_template, coalesce(p_email, 'ada@example.com'), coalesce(p_vars, '{"name": "Ada Lovelace", "first_name": "Ada"}')) p
$$;
