create table campaign.smtp_providers (
  name text primary key,
  title text not null,
  host text,
  port integer not null default 587,
  username text,
  login boolean not null default true,
  max_connections integer,
  rate_limit numeric,
  daily_quota integer,
  note text,
  builtin boolean not null default false,
  constraint name_is_in_lower_case check (btrim(name) <> '' and name = lower(name)),
  constraint host_is_not_empty check (btrim(host) <> ''),
  constraint port_is_in_range check (port between 1 and 65535),
  constraint max_connections_is_in_range check (max_connections between 1 and 1000),
  constraint rate_limit_is_in_range check (rate_limit between 0.001 and 1000000),
  constraint daily_quota_is_positive check (daily_quota > 0)
);

-- Rates and connections are those that the user's mail goes over; Gmail's quota is that of a personal account.
insert into campaign.smtp_providers (name, title, host, port, username, login, max_connections, rate_limit, daily_quota, note, builtin) values
  ('improvmx', 'ImprovMX', 'smtp.improvmx.com', 587, null, true, 3, 5, null,
    'The login is an address of your domain with SMTP credentials. It drops connections often: those mails are tried again.', true),
  ('gmail', 'Gmail', 'smtp.gmail.com', 587, null, true, 5, 20, 500,
    'The login is the address; the password is an app password, which needs 2-step verification.', true),
  ('sendgrid', 'SendGrid', 'smtp.sendgrid.net', 587, 'apikey', true, 10, 100, null,
    'The password is an API key; from_email must be a verified sender.', true),
  ('ses', 'Amazon SES', null, 587, null, true, 10, 14, null,
    'The host is that of your region, e.g. email-smtp.eu-west-1.amazonaws.com. The login is a pair of SMTP credentials, not an access key; the domain of from_email must be verified. Raise rate_limit when your account''s is higher.', true),
  ('smtp', 'any SMTP relay', null, 587, null, false, null, 5, null, null, true);

comment on table campaign.smtp_providers is
'What add_integration knows of a provider. Those that are shipped cannot be changed; add rows of your own.';
comment on column campaign.smtp_providers.title is 'Its name as people write it.';
comment on column campaign.smtp_providers.host is 'Null: add_integration must be given it.';
comment on column campaign.smtp_providers.username is 'The user name of everybody there; null: add_integration must be given it, if there is a login.';
comment on column campaign.smtp_providers.login is 'Whether it takes mail only after a login.';
comment on column campaign.smtp_providers.max_connections is 'As in email_integrations.';
comment on column campaign.smtp_providers.rate_limit is 'As in email_integrations.';
comment on column campaign.smtp_providers.daily_quota is 'As in email_integrations.';
comment on column campaign.smtp_providers.note is 'What one has to know to use it.';
comment on column campaign.smtp_providers.builtin is 'Shipped with the extension; left out of dumps.';
