-- pg_dump leaves the rows of an extension's tables out unless they are marked.
do $$
declare
  v_object record;
begin
  for v_object in
    select c.oid::regclass as name,
      case when exists (
        select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'builtin' and not a.attisdropped)
      then 'where not builtin' else '' end as condition
    from pg_catalog.pg_class c
    where c.relnamespace = 'campaign'::regnamespace and c.relkind in ('r', 'S')
  loop
    perform pg_catalog.pg_extension_config_dump(v_object.name, v_object.condition);
  end loop;
end
$$;
