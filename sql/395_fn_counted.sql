-- 1 recipient, 2 recipients.
create function campaign._counted(p_n bigint, p_noun text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s %s%s', p_n, p_noun, case when p_n <> 1 then 's' end)
$$;
