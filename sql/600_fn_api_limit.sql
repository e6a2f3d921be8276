-- What begins with _api answers the API of campaign-runner serve, each route by one call: in JSON, with the rights of the caller.
create function campaign._api_limit(p_limit integer)
returns integer
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_limit not between 1 and 1000 then
    raise exception using
      errcode = 'CP008',
      message = format('limit cannot be %s', p_limit),
      detail = 'It is how many rows an answer has at most.',
      hint = 'From 1 to 1000; 100 without it. next_cursor of the answer leads to the next rows.';
  end if;
  return coalesce(p_limit, 100);
end
$$;
