-- A mail of this content. p_template: what it is called in errors.
create function campaign._preview(
  p_template text,
  p_subject text,
  p_html text,
  p_text text,
  p_variables text[],
  p_email text,
  p_vars jsonb
)
returns table (subject text, html text, text text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_message text;
  v_detail text;
begin
  if p_email is null or p_vars is null then
    raise exception using
      errcode = 'CP008',
      message = 'a mail cannot be made without an address or without vars',
      detail = 'email and vars stand for the recipient; email is a variable of the template, too.',
      hint = 'Leave them out to use those of Ada Lovelace.';
  end if;
  perform campaign._check_fit(1, campaign._vars_are_broken(p_vars)::integer, 0, null);
  return query
    select r.subject, r.html, r.text
    from campaign._render(p_subject, p_html, p_text, p_variables, p_email,
      coalesce((select s.value from campaign.setting s where s.name = 'public_url'), 'https://unsubscribe.invalid') || '/unsubscribe?t=preview',
      p_vars) r;
exception
  when invalid_parameter_value then
    get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
    raise exception using
      errcode = 'CP009',
      message = format('%s cannot be rendered: %s', p_template, v_message),
      detail = v_detail,
      hint = case
        when v_detail like '%undefined value%' then 'Give each variable a value: vars => ''{"name": "…", "first_name": "…"}''.'
        else 'Change the template there, or the vars.' end;
end
$$;
