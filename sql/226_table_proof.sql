create table campaign.proof (
  job_no bigint primary key,
  up_to bigint not null,
  total bigint not null,
  sent bigint not null,
  failed bigint not null,
  uncertain bigint not null,
  suppressed bigint not null,
  constraint counts_are_not_negative check (least(total, sent, failed, uncertain, suppressed) >= 0)
);

comment on table campaign.proof is
'Facts of large campaigns that are being counted, a part in each tick: how many recipients there are at positions up to up_to, and in which states. Begun anew whenever a state changed.';
