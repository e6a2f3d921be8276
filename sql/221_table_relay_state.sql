create table campaign.relay_state (
  integration_id uuid primary key references campaign.email_integrations (id) on delete cascade,
  rate numeric,
  base numeric,
  slowed_at timestamptz,
  held_until timestamptz,
  held_reason text,
  constraint a_slow_relay_says_since_when check ((rate is null) = (slowed_at is null) and (rate is null) = (base is null)),
  constraint a_held_relay_says_why check ((held_until is null) = (held_reason is null))
)
with (fillfactor = 10);

comment on table campaign.relay_state is
'What relays answered about all that goes over them. rate: mails a second from slowed_at on, doubled every 5 minutes until base. held_until: nothing is granted before. The row''s lock also puts grants under a quota and the shares of connections in order.';
