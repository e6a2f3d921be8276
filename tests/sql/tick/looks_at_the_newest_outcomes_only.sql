begin;
\ir ../_protocol.sql
select plan(4);

select start_job(9040, '{"chunk_size": 10000}') as job \gset
select claim(1);
-- Nine thousand that were sent an hour ago, and forty that fail now.
insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at)
select :job, g, 1, 'sent', runner(1), 1, campaign.now() - interval '1 h' from generate_series(1, 9000) g;
insert into campaign.attempt (job_no, pos, chunk_no, outcome, phase, smtp_code, detail, runner_id, epoch, at)
select :job, g, 1, 'failed', 'dot', 550, 'policy', runner(1), 1, campaign.now() from generate_series(9001, 9040) g;
-- The planner is to know nothing of the table, and the index all but its end.
select brin_summarize_new_values('campaign.attempt_at');
delete from pg_statistic where starelid = 'campaign.attempt'::regclass;
update pg_class set reltuples = -1, relpages = 0, relallvisible = 0 where oid = 'campaign.attempt'::regclass;
create function read() returns bigint language sql as $$
  select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relid = 'campaign.attempt'::regclass
$$;
create function seq() returns bigint language sql as $$
  select seq_scan from pg_stat_xact_user_tables where relid = 'campaign.attempt'::regclass
$$;
select read() as read, seq() as seq \gset
select is(campaign._trip_breaker(j), true, 'forty of forty') from campaign.email_jobs j;
select is(seq(), :seq::bigint, 'it reads no table from end to end');
select cmp_ok(read() - :read, '<', 3000::bigint, 'nor what was sent an hour ago');

delete from campaign.breaker;
update campaign.attempt set outcome = 'failed', detail = 'policy' where job_no = :job and pos <= 20;
delete from campaign.attempt where pos > 9000;
select is(campaign._trip_breaker(j), false, 'twenty before nine thousand that were sent') from campaign.email_jobs j;

select * from finish();
rollback;
