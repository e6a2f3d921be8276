create table campaign.email_templates (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  slug text not null,
  subject text not null,
  html text not null,
  text text,
  variables text[] not null default '{}',
  version integer not null default 1,
  created_at timestamptz not null default campaign.now(),
  updated_at timestamptz not null default campaign.now(),
  constraint slug_is_unique unique (slug),
  constraint slug_is_url_safe check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
  constraint slug_is_short check (length(slug) <= 100),
  constraint name_is_short check (length(name) between 1 and 200),
  constraint subject_is_short check (length(subject) <= 998),
  constraint subject_is_not_empty check (btrim(subject) <> ''),
  constraint html_is_not_empty check (btrim(html) <> '')
);

comment on table campaign.email_templates is
'Mails to be personalised. Checked when saved: a syntax error, an unknown variable, an image that would have to come with the mail (cid:, data:) is refused with its line and column (CP009).';
comment on column campaign.email_templates.html is
'As it was written. In what is sent, the rules of its style elements also stand in the elements that they speak of, for mail programs that read no others; not those of media queries, nor of elements whose class or id is made by tags. data-css-inline="ignore" on a style element or another one leaves it alone.';
comment on column campaign.email_templates.text is 'Plain-text part; null: made from the HTML.';
comment on column campaign.email_templates.variables is
'Names that the template may use beside first_name, name, email and unsubscribe_url (where the recipient unsubscribes). The segment''s vars must have them.';
comment on column campaign.email_templates.version is 'Rises with each change of content. A campaign keeps the version with which it started.';
