-- The whole content, as it is to be.
create function campaign._api_update_template(p_template text, p_content jsonb)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  update campaign.email_templates t
  set name = p_content ->> 'name', slug = p_content ->> 'slug', subject = p_content ->> 'subject', html = p_content ->> 'html',
    text = p_content ->> 'text', variables = array(select jsonb_array_elements_text(p_content -> 'variables'))
  where t.id = (campaign._find_template(p_template)).id
  returning jsonb_build_object('template', to_jsonb(t))
$$;
