create function campaign._excluded_text(p_excluded jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(string_agg(format('%s %s', e.value, replace(e.key, '_', ' ')), ', ' order by e.key), 'nobody')
  from jsonb_each_text(p_excluded) e
$$;
