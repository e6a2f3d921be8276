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
  constraint max_connections_is_possible check (max_connections between 1 and 1000),
  constraint daily_quota_is_positive check (daily_quota >= 1),
  constraint config_names_host check (coalesce(config ->> 'host', '') <> ''),
  constraint config_names_port check (
    case when jsonb_typeof(config -> 'port') = 'number'
      then (config ->> 'port')::numeric between 1 and 65535 and (config ->> 'port')::numeric % 1 = 0
      else false end),
  constraint config_names_sender check (campaign._fold_address(config ->> 'from_email') is not null),
  constraint config_secure_is_boolean check (coalesce(jsonb_typeof(config -> 'secure'), 'null') in ('boolean', 'null'))
);

create unique index one_default_integration on campaign.email_integrations (is_default) where is_default;

comment on table campaign.email_integrations is 'SMTP relays.';
comment on column campaign.email_integrations.config is
'{host, port, secure, username, password, from_email, from_name, reply_to, headers: {name: value}}. Only the runner and admins read it.';
comment on column campaign.email_integrations.rate_limit is
'Mails a second over this relay, all jobs and runners together; null: no limit. A change holds from the next second on.';
comment on column campaign.email_integrations.is_default is 'The relay of campaigns that name none. At most one.';
