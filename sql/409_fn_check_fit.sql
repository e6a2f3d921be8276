-- Raises CP009 unless template and recipients fit together.
create function campaign._check_fit(p_total bigint, p_broken bigint, p_lacking bigint, p_names text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_broken > 0 then
    raise exception using
      errcode = 'CP009',
      message = format('vars of %s of %s recipients cannot be put into a mail', p_broken, p_total),
      detail = 'vars is an object; each value is a string, a boolean, null, or a number within ±10¹⁵.',
      hint = 'Build it with jsonb_build_object(''name'', name, ''first_name'', first_name) in the segment''s query.';
  end if;
  if p_lacking > 0 then
    raise exception using
      errcode = 'CP009',
      message = format('the template reads %s, which %s of %s recipients lack', p_names, p_lacking, p_total),
      detail = 'A mail with a hole in it is not sent: a variable must have a value for each recipient.',
      hint = 'Give them in the vars that the segment''s query returns, or take them out of the template.';
  end if;
end
$$;
