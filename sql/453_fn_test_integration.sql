create function campaign.test_integration(integration text default null, email text default null)
returns campaign.integration_tests
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_integration campaign.email_integrations := campaign._find_integration(test_integration.integration);
  v_email text := campaign._fold_address(coalesce(test_integration.email, v_integration.config ->> 'from_email'));
  v_id uuid;
  v_test campaign.integration_tests;
begin
  if v_email is null then
    raise exception using
      errcode = 'CP008',
      message = 'this is not an address that could be mailed',
      detail = 'test_integration sends one mail to the address given.',
      hint = 'Write one address without a name, e.g. ada@example.com; or none, to mail the integration''s from_email.';
  end if;
  if exists (select from campaign.suppressions s where s.email = v_email) then
    raise exception using
      errcode = 'CP008',
      message = 'this address is suppressed',
      detail = 'Suppressed addresses get no mail at all. Without one given, the mail goes to the integration''s from_email.',
      hint = 'Take another address, or delete this one from campaign.suppressions.';
  end if;

  insert into campaign.integration_test as m (integration_id, email)
  values (v_integration.id, v_email)
  returning m.id into v_id;
  delete from campaign.integration_test m
  where m.passed is not null
    and m.created_at < (select o.created_at from campaign.integration_test o order by o.created_at desc offset 999 limit 1);
  perform pg_notify('campaign_wake', '');

  perform campaign._notice(format('integration %s will be tested with one mail: select step, result, detail from campaign.integration_test_steps where id = %L',
    v_integration.name, v_id), p_needs_runner => true);
  select t.* into v_test from campaign.integration_tests t where t.id = v_id;
  return v_test;
end
$$;

comment on function campaign.test_integration(text, text) is
'Has a runner go over a relay step by step: resolve its name, connect, TLS, login, one mail; a runner does it once you commit. integration: name or id of the relay, default: the default one. email: who gets the mail, default: the integration''s from_email. Returns the row of integration_tests, where the result will be; the steps are in integration_test_steps. CP004: no such integration. CP008: no address that may be mailed.';
