create table campaign.rate_bucket (
  bucket text primary key,
  tat timestamptz not null
)
with (fillfactor = 10);

comment on table campaign.rate_bucket is
'Generic cell rate algorithm (ITU-T I.371), one row for an integration or job: tat is the theoretical arrival time of the next mail.';
