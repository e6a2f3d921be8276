create table campaign.setting (
  name text primary key,
  value text not null,
  constraint name_is_known check (name in ('clock', 'heartbeat_every', 'fence_after', 'stale_after', 'event_check'))
);

comment on table campaign.setting is
'Settings of the installation, one row for each that differs from its default. clock: a timestamp at which campaign.now() stands still (tests). heartbeat_every, fence_after, stale_after: intervals (5 s, 20 s, 30 s). event_check: name of a function (uuid) returns boolean that tells whether an event exists; it runs as campaign_owner.';
