create function campaign.send_test(
  template text,
  email text,
  vars jsonb default '{"name": "Ada Lovelace", "first_name": "Ada"}',
  integration text default null
)
returns campaign.test_mails
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_template campaign.email_templates := campaign._find_template(send_test.template);
  v_integration campaign.email_integrations := campaign._find_integration(send_test.integration);
  v_email text := campaign._fold_address(send_test.email);
  v_id uuid;
  v_mail campaign.test_mails;
begin
  if v_email is null then
    raise exception using
      errcode = 'CP008',
      message = 'this is not an address that could be mailed',
      detail = 'send_test sends one mail to the address given.',
      hint = 'Write one address without a name, e.g. ada@example.com.';
  end if;
  if exists (select from campaign.suppressions s where s.email = v_email) then
    raise exception using
      errcode = 'CP008',
      message = 'this address is suppressed',
      detail = 'Suppressed addresses get no mail at all.',
      hint = 'Take another address, or delete this one from campaign.suppressions.';
  end if;
  perform campaign.preview(v_template.slug, v_email, send_test.vars);

  insert into campaign.test_mail as m (template_id, template_version, integration_id, email, vars)
  values (v_template.id, v_template.version, v_integration.id, v_email, send_test.vars)
  returning m.id into v_id;
  delete from campaign.test_mail m
  where m.outcome is not null
    and m.created_at < (select o.created_at from campaign.test_mail o order by o.created_at desc offset 999 limit 1);
  perform pg_notify('campaign_wake', '');

  perform campaign._notice(format('template %s will be sent to one address over %s: select state, detail from campaign.test_mails where id = %L',
    v_template.slug, v_integration.name, v_id), p_needs_runner => true);
  select t.* into v_mail from campaign.test_mails t where t.id = v_id;
  return v_mail;
end
$$;

comment on function campaign.send_test(text, text, jsonb, text) is
'Sends one mail made from a template to one address, over the real relay and outside of any campaign; a runner does it once you commit. template: slug or id. vars: values of its variables. integration: name or id of the relay, default: the default one. Returns the row of test_mails, where the outcome will be. CP002: no such template. CP004: no such integration. CP008: no address that may be mailed. CP009: a variable has no value.';
