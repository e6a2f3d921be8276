create table campaign.attempt (
  job_no bigint not null,
  pos bigint not null,
  chunk_no bigint not null,
  outcome text not null,
  phase text,
  smtp_code integer,
  enhanced_code text,
  detail text,
  verdict text,
  class text,
  runner_id uuid not null,
  epoch bigint not null,
  at timestamptz not null,
  primary key (job_no, pos, chunk_no),
  constraint outcome_is_known check (outcome in ('sent', 'failed', 'deferred', 'uncertain', 'returned', 'skipped', 'suppressed')),
  constraint verdict_is_known check (verdict in ('defer', 'fail', 'uncertain', 'slow_down', 'stop_job', 'reconnect')),
  constraint smtp_code_has_three_digits check (smtp_code between 200 and 599)
);

create index attempt_failed on campaign.attempt (job_no, at, pos) where outcome = 'failed';

create index attempt_suppressed on campaign.attempt (job_no, pos) where outcome = 'suppressed';

-- Rows come in the order of time: which came since is found without an index on each.
create index attempt_at on campaign.attempt using brin (at) with (pages_per_range = 16, autosummarize = on);

comment on table campaign.attempt is
'Facts about recipients, append-only. returned: passed, never attempted. skipped, suppressed: passed, not allowed. verdict, class: what the rules made of the reply; null: sent, or nothing was judged.';
