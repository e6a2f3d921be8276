create function campaign.list_integrations()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'name', i.name, 'is_default', i.is_default) order by not i.is_default, i.name), '[]')
  from campaign.email_integrations i
$$;

comment on function campaign.list_integrations() is
'The integrations by name, the default one first: [{id, name, is_default}]. For campaign-runner doctor.';
