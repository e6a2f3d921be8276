create function campaign.integration_spec(p_integration_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', i.id,
    'name', i.name,
    'host', i.config ->> 'host',
    'port', (i.config ->> 'port')::numeric::integer,
    'secure', coalesce((i.config ->> 'secure')::boolean, false),
    'username', i.config ->> 'username',
    'password', i.config ->> 'password')
  from campaign.email_integrations i
  where i.id = p_integration_id
$$;

comment on function campaign.integration_spec(uuid) is
'Relay settings with their secret: the only way to it for a runner. Null: no such integration.';
