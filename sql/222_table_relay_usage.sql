create table campaign.relay_usage (
  integration_id uuid not null references campaign.email_integrations (id) on delete cascade,
  bucket timestamptz not null,
  runner_id uuid not null,
  n bigint not null,
  primary key (integration_id, bucket, runner_id),
  constraint n_is_not_negative check (n >= 0)
)
with (fillfactor = 50);

comment on table campaign.relay_usage is
'Mails granted over integrations that have a daily_quota, by buckets of 10 minutes. A runner gives back out of its own rows only.';
