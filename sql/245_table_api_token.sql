create table campaign.api_token (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  role text not null,
  token_hash bytea not null,
  created_by text not null default campaign._subject(),
  created_at timestamptz not null default campaign.now(),
  revoked_at timestamptz,
  constraint token_is_unique unique (token_hash),
  constraint token_hash_is_a_hash check (length(token_hash) = 32),
  constraint name_is_printable check (name ~ '^[^[:cntrl:]]{1,100}$' and btrim(name) = name),
  constraint role_is_known check (role in ('reader', 'operator', 'admin'))
);

create unique index one_live_token_of_a_name on campaign.api_token (name) where revoked_at is null;

comment on table campaign.api_token is 'Who may use the API. Only the SHA-256 of a token is kept: it is 256 random bits, so nothing more is needed.';
