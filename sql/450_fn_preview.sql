create function campaign.preview(
  template text,
  email text default 'ada@example.com',
  vars jsonb default '{"name": "Ada Lovelace", "first_name": "Ada"}'
)
returns table (subject text, html text, text text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_template campaign.email_templates := campaign._find_template(preview.template);
  v_message text;
  v_detail text;
begin
  if preview.email is null or preview.vars is null then
    raise exception using
      errcode = 'CP008',
      message = 'a mail cannot be made without an address or without vars',
      detail = 'email and vars stand for the recipient; email is a variable of the template, too.',
      hint = 'Leave them out to use those of Ada Lovelace.';
  end if;
  perform campaign._check_fit(1, campaign._vars_are_broken(preview.vars)::integer, 0, null);
  return query
    select r.subject, r.html, r.text
    from campaign.template_version v
    cross join lateral campaign._render(v.subject, v.html, v.text, v.variables, preview.email,
      coalesce((select s.value from campaign.setting s where s.name = 'public_url'), 'https://unsubscribe.invalid') || '/unsubscribe?t=preview',
      preview.vars) r
    where v.template_id = v_template.id and v.version = v_template.version;
exception
  when invalid_parameter_value then
    get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
    raise exception using
      errcode = 'CP009',
      message = format('template %s cannot be rendered: %s', v_template.slug, v_message),
      detail = v_detail,
      hint = 'Give each variable a value: vars => ''{"name": "…", "first_name": "…"}''.';
end
$$;

comment on function campaign.preview(text, text, jsonb) is
'The mail as a recipient would get it, made by the code that sends it. template: slug or id. CP002: no such template. CP009: a variable has no value.';
