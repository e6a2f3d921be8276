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
    'revision', i.revision,
    'host', i.config ->> 'host',
    'port', (i.config ->> 'port')::numeric::integer,
    'secure', coalesce((i.config ->> 'secure')::boolean, false),
    'tls', coalesce(i.config ->> 'tls', 'auto'),
    'username', i.config ->> 'username',
    'password', i.config ->> 'password',
    'address_family', coalesce(i.config ->> 'address_family', 'ipv4'),
    'ca_file', i.config ->> 'ca_file',
    'messages_per_connection', coalesce((i.config ->> 'messages_per_connection')::numeric::integer, 100),
    'connection_age_s', coalesce((i.config ->> 'connection_age')::numeric::integer, 300),
    'pipelining', coalesce(i.config ->> 'pipelining', 'commands'),
    'timeouts', (
      select jsonb_object_agg(t.key || '_s', coalesce((i.config -> 'timeouts' ->> t.key)::numeric, t.value))
      from (values ('connect', 30), ('greeting', 60), ('command', 60), ('body', 180), ('dot', 600)) as t (key, value)),
    'from_email', i.config ->> 'from_email',
    'from_name', i.config ->> 'from_name',
    'reply_to', i.config ->> 'reply_to',
    'headers', coalesce(nullif(i.config -> 'headers', 'null'), '{}'),
    'rules', campaign._smtp_rules_spec())
  from campaign.email_integrations i
  where i.id = p_integration_id
$$;

comment on function campaign.integration_spec(uuid) is
'Relay settings with their secret: the only way to it for a runner; and the rules by which it judges replies. Null: no such integration.';
