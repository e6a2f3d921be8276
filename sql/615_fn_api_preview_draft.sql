-- Of a template that is not kept (yet), for those who may keep it. SECURITY DEFINER: it reads the setting public_url, and nothing else that is not given.
create function campaign._api_preview_draft(p_draft jsonb)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_variables text[] := array(select jsonb_array_elements_text(p_draft -> 'variables'));
  v_preview record;
begin
  perform campaign._check_content('the draft', p_draft ->> 'subject', p_draft ->> 'html', p_draft ->> 'text', v_variables);
  select p.* into v_preview
  from campaign._preview('the draft', p_draft ->> 'subject', campaign._inline_css(p_draft ->> 'html'), p_draft ->> 'text', v_variables,
    coalesce(p_draft ->> 'email', 'ada@example.com'),
    case when jsonb_typeof(p_draft -> 'vars') = 'object' then p_draft -> 'vars' else '{"name": "Ada Lovelace", "first_name": "Ada"}' end) p;
  return to_jsonb(v_preview);
end
$$;
