-- The text of a reply without what differs from mail to mail: addresses, numbers, queue ids.
create function campaign._said(p_detail text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(string_agg(w.word, ' ' order by w.nr), '')
  from regexp_split_to_table(lower(p_detail), '\s+') with ordinality as w (word, nr)
  where w.word !~ '[0-9@]'
$$;
