-- A cursor of lists that are ordered by a number.
create function campaign._api_cursor(p_cursor text)
returns bigint
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_cursor !~ '^[0-9]{1,18}$' then
    raise exception using
      errcode = 'CP008',
      message = 'this is no cursor of this list',
      detail = 'A cursor says where the next rows begin.',
      hint = 'Take next_cursor of the answer before, or leave cursor out to begin at the first row.';
  end if;
  return p_cursor;
end
$$;
