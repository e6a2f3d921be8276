create function campaign._find_template(p_template text)
returns campaign.email_templates
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_template campaign.email_templates;
begin
  select t.* into v_template from campaign.email_templates t where t.slug = p_template or t.id::text = lower(p_template);
  if not found then
    raise exception using
      errcode = 'CP002',
      message = format('there is no template %L', p_template),
      detail = 'A template is named by its slug or its id.',
      hint = coalesce(
        (select 'Templates: ' || string_agg(t.slug, ', ' order by t.slug) || '.'
         from (select slug from campaign.email_templates order by updated_at desc limit 10) t),
        'There is none yet: insert into campaign.email_templates (name, slug, subject, html) values (…).');
  end if;
  return v_template;
end
$$;
