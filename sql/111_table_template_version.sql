-- What was sent stays readable, and a template may be edited while its campaign runs.
create table campaign.template_version (
  template_id uuid not null references campaign.email_templates (id) on delete cascade,
  version integer not null,
  subject text not null,
  html text not null,
  text text,
  variables text[] not null,
  used_variables text[] not null,
  primary key (template_id, version)
);

comment on table campaign.template_version is 'Every content that a template ever had, and the variables that it reads.';
comment on column campaign.template_version.html is 'As it is sent: what the style elements say stands also in the elements that they speak of.';
