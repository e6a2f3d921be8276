-- What tables of the schema hold, in one value: equal before and after means that nothing was written. Included inside the test's
-- transaction.
create function digest(p_tables text[] default null) returns text language plpgsql security definer as $$
declare
  v_table regclass;
  v_rows text;
  v_all text := '';
begin
  for v_table in
    select c.oid from pg_class c
    where c.relnamespace = 'campaign'::regnamespace and c.relkind = 'r' and (p_tables is null or c.relname = any (p_tables))
    order by c.relname
  loop
    execute format('select md5(coalesce(string_agg(t::text, E''\n'' order by t::text), '''')) from %s t', v_table) into v_rows;
    v_all := v_all || format('%s %s; ', v_table, v_rows);
  end loop;
  return v_all;
end
$$;
