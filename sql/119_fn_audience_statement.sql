-- A segment's query as one that answers the three columns by name.
create function campaign._audience_statement(p_query text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format(E'select q.recipient_key::text, q.email::text, q.vars::jsonb from (%s\n) q', regexp_replace(p_query, ';\s*$', ''))
$$;
