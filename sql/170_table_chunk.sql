create table campaign.chunk (
  job_no bigint not null,
  chunk_no bigint not null,
  kind text not null,
  first_pos bigint not null,
  last_pos bigint not null,
  positions bigint[],
  n bigint not null,
  state text not null default 'ready',
  not_before timestamptz not null default '-infinity',
  runner_id uuid,
  epoch bigint not null default 0,
  mark bigint not null,
  passed bigint not null default 0,
  recorded bigint not null default 0,
  dirty boolean not null default false,
  first_leased_at timestamptz,
  n_sent bigint not null default 0,
  n_failed bigint not null default 0,
  n_uncertain bigint not null default 0,
  n_suppressed bigint not null default 0,
  primary key (job_no, chunk_no),
  constraint kind_is_known check (kind in ('range', 'retry')),
  constraint state_is_known check (state in ('ready', 'leased', 'done', 'cancelled')),
  constraint only_retry_chunks_list_positions check ((kind = 'retry') = (positions is not null)),
  constraint range_chunks_are_dense check (kind <> 'range' or n = last_pos - first_pos + 1),
  constraint retry_chunks_count_positions check (kind <> 'retry' or n = cardinality(positions)),
  constraint mark_is_within_chunk check (mark between first_pos - 1 and last_pos),
  constraint recorded_never_exceeds_passed check (0 <= recorded and recorded <= passed and passed <= n),
  constraint leased_chunks_have_a_runner check ((state = 'leased') = (runner_id is not null)),
  constraint done_chunks_are_recorded check (state <> 'done' or recorded = n),
  constraint only_leased_chunks_have_open_positions check (state = 'leased' or recorded = passed)
)
with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index chunk_ready on campaign.chunk (job_no, chunk_no) where state = 'ready';
create index chunk_leased on campaign.chunk (runner_id, epoch) where state = 'leased';
create index chunk_dirty on campaign.chunk (job_no) where dirty;

comment on table campaign.chunk is
'Units of work and their leases. mark: every position up to it has been allowed to start. passed: how many these are; recorded: how many of them have an attempt or doubt row of this chunk. n_…: signed changes of recipients'' states made through this chunk.';
