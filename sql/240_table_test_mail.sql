create table campaign.test_mail (
  id uuid primary key default gen_random_uuid(),
  template_id uuid not null,
  template_version integer not null,
  integration_id uuid not null references campaign.email_integrations (id) on delete cascade,
  email text not null,
  vars jsonb not null,
  created_by text not null default campaign._subject(),
  created_at timestamptz not null default campaign.now(),
  runner_id uuid,
  outcome text,
  phase text,
  smtp_code integer,
  enhanced_code text,
  detail text,
  ended_at timestamptz,
  constraint version_is_kept foreign key (template_id, template_version)
    references campaign.template_version (template_id, version) on delete cascade,
  constraint outcome_is_known check (outcome in ('sent', 'failed', 'deferred', 'uncertain')),
  constraint smtp_code_has_three_digits check (smtp_code between 200 and 599),
  constraint ended_mails_have_an_outcome check ((outcome is null) = (ended_at is null)),
  constraint a_runner_ends_it check (outcome is null or runner_id is not null)
);

create index test_mail_open on campaign.test_mail (created_at) where outcome is null;

comment on table campaign.test_mail is
'Mails of send_test: each is taken by one runner, attempted at most once, and belongs to no campaign. The newest 1,000 are kept.';
