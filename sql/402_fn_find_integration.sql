create function campaign._find_integration(p_integration text)
returns campaign.email_integrations
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_integration campaign.email_integrations;
begin
  select i.* into v_integration
  from campaign.email_integrations i
  where case when p_integration is null then i.is_default else i.name = p_integration or i.id::text = lower(p_integration) end;
  if not found then
    raise exception using
      errcode = 'CP004',
      message = case when p_integration is null then 'there is no default integration' else format('there is no integration %L', p_integration) end,
      detail = 'An integration is a relay; it is named by its name or its id.',
      hint = coalesce(
        (select 'Integrations: ' || string_agg(i.name, ', ' order by i.name) || '.' from campaign.email_integrations i),
        'There is none yet: select campaign.add_integration(''smtp'', host => ''…'', from_email => ''…'').');
  end if;
  return v_integration;
end
$$;
