create table campaign.pending_on_sent (
  job_no bigint not null,
  pos bigint not null,
  error text not null,
  since timestamptz not null,
  primary key (job_no, pos)
);

comment on table campaign.pending_on_sent is 'Accepted mails of which the segment''s on_sent function could not be told yet; tick repeats the call.';
