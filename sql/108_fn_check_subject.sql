-- Of a template, of a draft, or of one campaign: a line of a mail has at most 998 characters (RFC 5322, 2.1.1).
create function campaign._check_subject(p_subject text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if length(p_subject) > 998 then
    raise exception using
      errcode = 'CP008',
      message = format('a subject cannot have %s characters', length(p_subject)),
      detail = 'It has at most 998, as a line of a mail has (RFC 5322).',
      hint = 'Mail programs show some 60 of them.';
  end if;
end
$$;
