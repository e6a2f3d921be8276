create table campaign.email_integrations (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  type text not null default 'smtp',
  config jsonb not null,
  rate_limit numeric default 5,
  max_connections integer,
  daily_quota integer,
  is_default boolean not null default false,
  revision bigint not null default 1,
  created_at timestamptz not null default campaign.now(),
  constraint name_is_unique unique (name),
  constraint name_is_not_empty check (btrim(name) <> ''),
  constraint type_is_smtp check (type = 'smtp'),
  constraint rate_limit_is_positive check (rate_limit > 0),
  constraint max_connections_is_in_range check (max_connections between 1 and 1000),
  constraint daily_quota_is_positive check (daily_quota > 0),
  constraint config_names_host check (coalesce(config ->> 'host', '') <> ''),
  constraint config_names_port check (
    case when jsonb_typeof(config -> 'port') = 'number'
      then (config ->> 'port')::numeric between 1 and 65535 and (config ->> 'port')::numeric % 1 = 0
      else false end),
  constraint config_names_sender check (campaign._fold_address(config ->> 'from_email') is not null),
  constraint config_secure_is_boolean check (coalesce(jsonb_typeof(config -> 'secure'), 'null') in ('boolean', 'null')),
  constraint config_tls_is_known check (config ->> 'tls' in ('auto', 'none', 'starttls', 'implicit')),
  constraint config_address_family_is_known check (config ->> 'address_family' in ('ipv4', 'auto')),
  constraint config_pipelining_is_known check (config ->> 'pipelining' in ('off', 'commands', 'messages')),
  constraint config_ca_file_is_a_path check (config ->> 'ca_file' ~ '^/[^[:cntrl:]]+$'),
  constraint config_messages_per_connection_is_in_range check (
    case coalesce(jsonb_typeof(config -> 'messages_per_connection'), 'null')
      when 'number' then (config ->> 'messages_per_connection')::numeric between 1 and 10000 and (config ->> 'messages_per_connection')::numeric % 1 = 0
      when 'null' then true
      else false end),
  constraint config_connection_age_is_in_range check (
    case coalesce(jsonb_typeof(config -> 'connection_age'), 'null')
      when 'number' then (config ->> 'connection_age')::numeric between 1 and 86400 and (config ->> 'connection_age')::numeric % 1 = 0
      when 'null' then true
      else false end),
  -- Nothing may wait at the final dot for longer than a resend does for the first mail to be over.
  constraint config_timeouts_are_in_range check (
    case coalesce(jsonb_typeof(config -> 'timeouts'), 'null')
      when 'object' then not jsonb_path_exists(config,
        '$.timeouts.keyvalue() ? (@.value.type() != "null" && (@.value.type() != "number" || @.value < 0.01 || @.value > 600))')
      when 'null' then true
      else false end)
);

create unique index one_default_integration on campaign.email_integrations (is_default) where is_default;

comment on table campaign.email_integrations is 'SMTP relays.';
comment on column campaign.email_integrations.config is
'{host, port, tls: auto, none, starttls or implicit, secure, ca_file, address_family: ipv4 or auto, username, password, from_email, from_name, reply_to, headers: {name: value}, messages_per_connection, connection_age, pipelining: off, commands or messages, timeouts: {connect, greeting, command, body, dot}}, times in seconds. pipelining (RFC 2920, where the relay offers it): whether the commands of a message go in one packet, as they do by default, and those of the next message with the end of one. password may be env:NAME or file:PATH, read by the runner on its host. Only the runner and admins read config.';
comment on column campaign.email_integrations.rate_limit is
'Mails a second over this relay, all jobs and runners together; null: no limit. A change holds from the next second on.';
comment on column campaign.email_integrations.max_connections is
'Connections to this relay at a time, all jobs and runners together; null: no limit but the concurrency of each job.';
comment on column campaign.email_integrations.daily_quota is
'Mails in any 24 hours over this relay, all jobs and runners together; null: no limit.';
comment on column campaign.email_integrations.is_default is 'The relay of campaigns that name none. At most one.';
comment on column campaign.email_integrations.revision is 'Counts the changes of config, so that a runner sees whether what it knows is out of date.';
