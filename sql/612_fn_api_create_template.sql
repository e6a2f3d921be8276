create function campaign._api_create_template(p_template jsonb)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into campaign.email_templates as t (name, slug, subject, html, text, variables)
  select p_template ->> 'name', p_template ->> 'slug', p_template ->> 'subject', p_template ->> 'html', p_template ->> 'text',
    array(select jsonb_array_elements_text(p_template -> 'variables'))
  returning jsonb_build_object('template', to_jsonb(t))
$$;
