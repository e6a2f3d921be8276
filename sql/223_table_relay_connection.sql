create table campaign.relay_connection (
  integration_id uuid not null references campaign.email_integrations (id) on delete cascade,
  runner_id uuid not null references campaign.runner (runner_id) on delete cascade,
  want integer not null,
  may_hold integer not null,
  primary key (integration_id, runner_id),
  constraint counts_are_not_negative check (want >= 0 and may_hold >= 0)
)
with (fillfactor = 50);

comment on table campaign.relay_connection is
'Connections of runners to relays. may_hold: the runner holds no more than this until it has read another answer. want: what it would use.';
