begin;
\ir ../_protocol.sql
select plan(2);

select start_job(1000, '{"chunk_size": 4}') as job \gset
-- Autovacuum may have come by: the planner is to know nothing of the tables.
delete from pg_statistic where starelid in ('campaign.chunk'::regclass, 'campaign.recipient'::regclass);
update pg_class set reltuples = -1, relpages = 0, relallvisible = 0 where oid in ('campaign.chunk'::regclass, 'campaign.recipient'::regclass);
-- Counted by the server for this transaction: what a plan really did, whichever statement it belongs to.
create temp table before as
  select relname, seq_scan, coalesce(idx_scan, 0) as idx_scan from pg_stat_xact_user_tables
  where schemaname = 'campaign' and relname in ('chunk', 'recipient', 'attempt', 'doubt', 'retry_item');
select c.chunk_no, c.epoch from campaign.claim_chunks(runner(1), 1, '[]') c \gset
select campaign.claim_chunks(runner(1), 1, jsonb_build_array(jsonb_build_object('job_no', :job, 'chunk_no', :chunk_no, 'epoch', :epoch)));
select campaign.claim_chunks(runner(1), 1, '[]');
create temp table after as
  select relname, seq_scan, coalesce(idx_scan, 0) as idx_scan from pg_stat_xact_user_tables
  where schemaname = 'campaign' and relname in ('chunk', 'recipient', 'attempt', 'doubt', 'retry_item');
select is_empty($$ select a.relname, a.seq_scan - b.seq_scan from after a join before b using (relname) where a.seq_scan > b.seq_scan $$,
  'claims and a recovery read no table from end to end');
select is((select count(*) from after a join before b using (relname) where relname in ('chunk', 'recipient') and a.idx_scan > b.idx_scan), 2::bigint,
  'they went by index');

select * from finish();
rollback;
