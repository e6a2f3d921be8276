create table campaign.runner (
  runner_id uuid primary key,
  host text not null,
  pid integer not null,
  version text not null,
  incarnation text not null,
  started_at timestamptz not null,
  heartbeat_at timestamptz not null,
  leases_from bigint not null default 0
)
with (fillfactor = 20);

comment on table campaign.runner is
'Runner processes. The id is random at each process start: a restarted runner is another one. incarnation: of the database, when the runner registered or replayed last. leases_from: no lease of it has, or will have, a lower epoch; so leases of the past, whose index entries stay as long as somebody holds a snapshot, are not looked at.';
