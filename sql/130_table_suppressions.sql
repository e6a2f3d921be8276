create table campaign.suppressions (
  email text primary key,
  reason text not null default 'manual',
  created_at timestamptz not null default campaign.now(),
  constraint reason_is_known check (reason in ('manual', 'unsubscribe', 'bounce', 'complaint'))
);

comment on table campaign.suppressions is
'Addresses that get no mail, from now on and in running campaigns too. Written in the form by which addresses are compared: lower case, IDNA domain.';
comment on column campaign.suppressions.reason is
'Why: manual, bounce, unsubscribe, complaint. An unsubscribe replaces manual and bounce, a complaint replaces all: clear bounces, and whoever said no stays.';
