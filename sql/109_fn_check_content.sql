-- Raises unless a mail can be made of this. p_template: what it is called in errors.
create function campaign._check_content(p_template text, p_subject text, p_html text, p_text text, p_variables text[])
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_problem jsonb;
begin
  if not coalesce(p_subject ~ '\S' and p_html ~ '\S', false) then
    raise exception using
      errcode = 'CP008',
      message = format('%s has no %s', p_template, case when coalesce(p_subject ~ '\S', false) then 'html' else 'subject' end),
      detail = 'A mail has a subject and an HTML part; a text part is made from the HTML where there is none.',
      hint = 'For example subject ''Hi {{first_name}}'', html ''<p>Hi {{first_name}}</p>''.';
  end if;
  perform campaign._check_subject(p_subject);
  v_problem := campaign._check_template(p_subject, p_html, p_text, p_variables);
  if v_problem is not null then
    raise exception using
      errcode = 'CP009',
      message = format('%s: %s', p_template, v_problem ->> 'message'),
      detail = format('%s, line %s, column %s.', v_problem ->> 'part', v_problem ->> 'line', v_problem ->> 'column'),
      hint = coalesce(v_problem ->> 'hint', 'Variables are first_name, name, email, unsubscribe_url, and those listed in the column "variables".');
  end if;
end
$$;
