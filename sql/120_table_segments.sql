create table campaign.segments (
  name text primary key,
  description text not null default '',
  query text not null,
  on_sent text,
  builtin boolean not null default false,
  constraint name_is_not_empty check (btrim(name) <> '')
);

comment on table campaign.segments is 'Audiences by name.';
comment on column campaign.segments.query is
'One SELECT: $1 is the event id (uuid), $2 a list of keys (text[]); returns recipient_key text, email text, vars jsonb. Names its tables with their schema. Runs read-only, with the rights of the person who starts the campaign.';
comment on column campaign.segments.on_sent is
'Name of a function (event_id uuid, segment text, recipient_keys text[]) that is called with each batch of accepted mails, in the transaction that records them. It runs as campaign_owner; what fails is repeated by tick, so it may be told of a mail twice.';
comment on column campaign.segments.builtin is 'Shipped with the extension; left out of dumps.';
