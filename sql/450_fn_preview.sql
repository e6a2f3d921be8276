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
declare
  v_template campaign.email_templates := campaign._find_template(preview.template);
begin
  return query
    select p.subject, p.html, p.text
    from campaign.template_version v
    cross join lateral campaign._preview('template ' || v_template.slug, v.subject, v.html, v.text, v.variables, preview.email, preview.vars) p
    where v.template_id = v_template.id and v.version = v_template.version;
end
$$;

comment on function campaign.preview(text, text, jsonb) is
'The mail as a recipient would get it, made by the code that sends it. template: slug or id. CP002: no such template. CP009: a variable has no value.';
