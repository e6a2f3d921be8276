create table campaign.email_jobs (
  id uuid primary key default gen_random_uuid(),
  job_no bigint not null generated always as identity,
  event_id uuid,
  segment text not null,
  template_id uuid not null references campaign.email_templates (id),
  template_version integer not null,
  integration_id uuid not null references campaign.email_integrations (id),
  subject text not null,
  status text not null default 'pending',
  status_reason text,
  total_contacts bigint not null default 0,
  sent_count bigint not null default 0,
  failed_count bigint not null default 0,
  uncertain_count bigint not null default 0,
  suppressed_count bigint not null default 0,
  cancelled_count bigint not null default 0,
  excluded jsonb not null default '{}',
  cursor bigint not null default 0,
  errors jsonb not null default '[]',
  config jsonb not null,
  chunk_size integer not null,
  on_uncertain text not null default 'hold',
  track_opens boolean not null default false,
  track_clicks boolean not null default false,
  public_url text,
  signing_key_id integer references campaign.signing_key (key_id),
  dedupe_key text not null,
  allow_repeat boolean not null default false,
  idempotency_key text,
  request_hash bytea,
  audience_frozen boolean not null default false,
  created_by text not null default campaign._subject(),
  created_at timestamptz not null default campaign.now(),
  scheduled_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  last_heartbeat timestamptz,
  constraint keys_know_their_request check ((idempotency_key is null) = (request_hash is null)),
  constraint job_no_is_unique unique (job_no),
  constraint idempotency_key_is_unique unique (idempotency_key),
  constraint version_is_kept foreign key (template_id, template_version) references campaign.template_version (template_id, version),
  constraint status_is_known check (status in ('scheduled', 'pending', 'running', 'partial', 'paused', 'completed', 'failed', 'cancelled')),
  constraint subject_is_short check (length(subject) <= 998),
  constraint on_uncertain_is_known check (on_uncertain in ('hold', 'resend', 'assume_sent')),
  constraint counts_are_not_negative check (least(sent_count, failed_count, uncertain_count, suppressed_count, cancelled_count) >= 0),
  constraint counts_are_within_total check (sent_count + failed_count + uncertain_count + suppressed_count + cancelled_count <= total_contacts),
  constraint cursor_is_within_total check (cursor between 0 and total_contacts),
  constraint only_cancelled_jobs_count_cancelled check (cancelled_count = 0 or status = 'cancelled'),
  constraint ended_jobs_have_completed_at check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)),
  constraint finished_jobs_account_for_everybody check (
    status not in ('completed', 'failed')
    or sent_count + failed_count + uncertain_count + suppressed_count = total_contacts),
  constraint running_jobs_have_started check (status not in ('running', 'partial') or started_at is not null),
  constraint links_have_a_key check ((public_url is null) = (signing_key_id is null)),
  constraint tracked_jobs_have_links check (public_url is not null or not (track_opens or track_clicks)),
  constraint scheduled_jobs_say_when check (status <> 'scheduled' or scheduled_at is not null)
)
with (fillfactor = 50);

create index email_jobs_unfinished on campaign.email_jobs (job_no) where status not in ('completed', 'failed', 'cancelled');
create index email_jobs_dedupe_key on campaign.email_jobs (dedupe_key);

comment on table campaign.email_jobs is
'Campaigns. Written by start_campaign, cancel_campaign, pause_campaign, resume_campaign, retry_failed, resolve_uncertain and tick; read it as you like.';
comment on column campaign.email_jobs.job_no is 'Number of the campaign: first column of every private key.';
comment on column campaign.email_jobs.subject is 'Subject template of this campaign: the template''s, or the one given at the start.';
comment on column campaign.email_jobs.status is
'scheduled → pending → running ⇄ partial (unfinished, nobody works on it right now) ⇄ paused → completed | failed (nothing was sent) | cancelled.';
comment on column campaign.email_jobs.status_reason is 'Why it is paused, cancelled, failed, cannot finish, or for what it is waiting.';
comment on column campaign.email_jobs.total_contacts is 'The audience as frozen at the start.';
comment on column campaign.email_jobs.sent_count is 'Recipients whose mail the relay accepted. At most a second old while running, exact at the end; so are the other counts.';
comment on column campaign.email_jobs.failed_count is 'Recipients given up: refused for good, or out of attempts.';
comment on column campaign.email_jobs.uncertain_count is 'Recipients of whom nobody can know whether the relay accepted their mail (RFC 1047).';
comment on column campaign.email_jobs.suppressed_count is 'Recipients suppressed after the start.';
comment on column campaign.email_jobs.cancelled_count is 'Recipients not mailed because the campaign was cancelled.';
comment on column campaign.email_jobs.excluded is 'Who was left out at the start, by reason: {invalid, duplicate, suppressed, already_mailed}. Not part of total_contacts.';
comment on column campaign.email_jobs.cursor is 'Highest position such that every position up to it has been attempted; retries do not hold it back.';
comment on column campaign.email_jobs.errors is 'Failed recipients, at most 100, newest first: [{email, error, attempts, timestamp}].';
comment on column campaign.email_jobs.config is
'{concurrency: connections of one runner, chunk_size, max_retries: attempts in all when the relay does not answer, time_limit: how long it is tried again when it refuses for now, rate_limit: mails a second or null; from_name, reply_to, headers: instead of the integration''s}.';
comment on column campaign.email_jobs.on_uncertain is 'What happens to uncertain recipients: hold (a person decides), resend, assume_sent.';
comment on column campaign.email_jobs.track_opens is 'Whether its mails have a pixel that tells that they were opened; track_clicks: whether their links go through public_url.';
comment on column campaign.email_jobs.public_url is 'Where the links in its mails begin: the setting public_url as it was at the start. Null: its mails have no links of ours.';
comment on column campaign.email_jobs.signing_key_id is 'Which key signs the links in its mails.';
comment on column campaign.email_jobs.dedupe_key is 'Who has mail of another campaign with the same key is left out. Default: event, segment, template.';
comment on column campaign.email_jobs.allow_repeat is 'Whether it may mail those who have mail of another campaign with the same dedupe_key.';
comment on column campaign.email_jobs.idempotency_key is 'The same key starts a campaign once.';
comment on column campaign.email_jobs.request_hash is 'With an idempotency_key: SHA-256 of all that was asked for, so that the key answers to nothing else.';
comment on column campaign.email_jobs.created_by is 'Who started it: the name of an API token, or the role that was logged in.';
