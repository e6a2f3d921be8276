create table campaign.left_out (
  job_no bigint not null,
  ord bigint not null,
  recipient_key text,
  email text,
  reason text not null,
  primary key (job_no, ord),
  constraint reason_is_known check (reason in ('invalid', 'duplicate', 'suppressed', 'already_mailed'))
);

comment on table campaign.left_out is
'Whom the segment named and the start left out, and why: what explain_recipient answers. ord: place in the segment''s answer. Written once.';
