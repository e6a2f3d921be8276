create table campaign.incarnation (
  singleton boolean primary key default true,
  name text not null,
  since timestamptz not null,
  awaits_replay boolean not null default false,
  previous text,
  heard_until timestamptz,
  replays bigint not null default 0,
  forgotten bigint not null default 0,
  constraint only_one_row check (singleton)
)
with (fillfactor = 10);

comment on table campaign.incarnation is
'Which database this is: system identifier/timeline/oid. A promoted standby, a restored dump and a clone find another name here than their own: commits may be missing. awaits_replay: no work is given out until the runners have told what they did. heard_until: the last moment that this database remembers of the previous one. replays: runners that the previous one knew and that have told all; forgotten: how many of these no longer knew all.';
