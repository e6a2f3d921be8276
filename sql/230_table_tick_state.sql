create table campaign.tick_state (
  singleton boolean primary key default true,
  last_tick_at timestamptz not null,
  alive_since timestamptz not null,
  after_job bigint,
  constraint only_one_row check (singleton)
)
with (fillfactor = 10);

comment on table campaign.tick_state is
'After a pause of all ticks (restart, failover, jump of the clock) no runner counts as dead before it could be heard again: alive_since. A tick whose time was up before it had seen all jobs names the last one in after_job; the next begins behind it.';
