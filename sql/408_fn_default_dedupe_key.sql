create function campaign._default_dedupe_key(p_event_id uuid, p_segment text, p_template_id uuid)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s/%s/%s', coalesce(p_event_id::text, '-'), p_segment, p_template_id)
$$;
