create table campaign.signing_key (
  key_id integer primary key generated always as identity,
  secret bytea not null,
  created_at timestamptz not null default campaign.now(),
  retired_at timestamptz,
  constraint secret_has_256_bits check (octet_length(secret) = 32)
);

comment on table campaign.signing_key is
'Keys that sign the links in mails. A campaign keeps the key with which it started; new ones take the newest that is not retired, see rotate_signing_key. The first is made by the first campaign that needs one.';
comment on column campaign.signing_key.retired_at is
'When an admin retired it, because it is known to others; null: its links work. Links of a retired key do nothing any more, not even unsubscribe; so its campaigns must have ended (CP011), and none of them is tried again.';
