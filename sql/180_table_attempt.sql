create table campaign.attempt (
  job_no bigint not null,
  pos bigint not null,
  chunk_no bigint not null,
  outcome text not null,
  phase text,
  smtp_code integer,
  enhanced_code text,
  detail text,
  runner_id uuid not null,
  epoch bigint not null,
  at timestamptz not null,
  primary key (job_no, pos, chunk_no),
  constraint outcome_is_known check (outcome in ('sent', 'failed', 'deferred', 'uncertain', 'returned', 'skipped', 'suppressed')),
  constraint smtp_code_has_three_digits check (smtp_code between 200 and 599)
);

create index attempt_failed on campaign.attempt (job_no, at, pos) where outcome = 'failed';

comment on table campaign.attempt is
'Facts about recipients, append-only. returned: passed, never attempted. skipped, suppressed: passed, not allowed.';
