create table campaign.doubt (
  job_no bigint not null,
  pos bigint not null,
  chunk_no bigint not null,
  cause text not null,
  since timestamptz not null,
  quiet_until timestamptz not null,
  decision text,
  decided_by text,
  decided_at timestamptz,
  resend_asked boolean not null default false,
  primary key (job_no, pos, chunk_no),
  constraint decision_is_known check (decision in ('sent', 'resend', 'fact')),
  constraint decisions_are_signed check ((decision is null) = (decided_at is null) and (decision is null) = (decided_by is null))
);

comment on table campaign.doubt is
'Attempts of which nobody can know whether the relay accepted the mail. quiet_until: nothing of the old runner can be in flight after it. resend_asked: a resend was decided, whatever came later.';
