create table campaign.setting (
  name text primary key,
  value text not null,
  constraint name_is_known check (name in ('clock', 'heartbeat_every', 'fence_after', 'stale_after', 'event_check', 'public_url', 'reader_details'))
);

comment on table campaign.setting is
'Settings of the installation, one row for each that differs from its default. clock: a timestamp at which campaign.now() stands still (tests). heartbeat_every, fence_after, stale_after: intervals (5 s, 20 s, 30 s). event_check: name of a function (uuid) returns boolean that tells whether an event exists; it runs as campaign_owner. public_url: where the links in mails begin, e.g. https://mail.example.com, at which campaign-runner serve is reached; none (default): mails have no links of ours, so nothing is tracked and they carry no List-Unsubscribe. reader_details: what is kept of whoever opens or clicks: reduced (default: family of the user agent, address cut to /24 or /48) or full (also user agent and address as they came).';
