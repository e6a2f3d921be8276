create table campaign.breaker (
  job_no bigint primary key,
  since timestamptz not null,
  phase text,
  smtp_code integer,
  said text,
  until timestamptz,
  put_back bigint not null default 0,
  reason text,
  look_again boolean not null default false,
  constraint who_is_put_back_is_known check ((said is null) = (reason is null))
);

comment on table campaign.breaker is
'Campaigns that were paused because one answer met nearly everybody. since: older outcomes do not count. phase, smtp_code, said: the answer, whose recipients are put back until the campaign is resumed (until); look_again: there may be some left.';
