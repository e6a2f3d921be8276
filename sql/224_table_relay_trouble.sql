create table campaign.relay_trouble (
  integration_id uuid not null references campaign.email_integrations (id) on delete cascade,
  runner_id uuid not null references campaign.runner (runner_id) on delete cascade,
  revision bigint not null,
  phase text not null,
  detail text not null,
  since timestamptz not null,
  retry_at timestamptz not null,
  primary key (integration_id, runner_id)
);

comment on table campaign.relay_trouble is 'Runners that cannot open a connection to a relay, as their last failure tells.';
