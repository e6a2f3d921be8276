begin;
\ir ../_protocol.sql
select plan(4);

select start_job(1000, '{"chunk_size": 1000}') as job \gset
select claim(1);
do $$
declare
  v_job bigint := (select max(job_no) from campaign.email_jobs);
  v_go jsonb := '[]';
begin
  for n in 0..20 loop
    v_go := report(1, v_job, 1, 1000, (select coalesce(string_agg(g || case g::integer when 7 then ' failed 550' else ' sent 250' end, ', '), '') from jsonb_array_elements_text(v_go) g)) -> 'go';
    exit when v_go = '[]';
  end loop;
end
$$;
-- Autovacuum may have come by: the planner is to know nothing of the tables.
delete from pg_statistic where starelid in ('campaign.attempt'::regclass, 'campaign.recipient'::regclass);
update pg_class set reltuples = -1, relpages = 0, relallvisible = 0 where oid in ('campaign.attempt'::regclass, 'campaign.recipient'::regclass);

create function scans() returns bigint language sql volatile as $$
  select sum(seq_scan + coalesce(idx_scan, 0))::bigint from pg_stat_xact_user_tables where schemaname = 'campaign' and relname in ('attempt', 'recipient')
$$;
select scans() as before \gset
select is((select f::text from campaign._count_facts(:job, 0, 1000) f), '(1000,999,1,0,0)', 'everybody is counted in one state');
select is((select f::text from campaign._count_facts(:job, 6, 8) f), '(2,1,1,0,0)', 'so is who stands at some positions');
select cmp_ok(scans() - :before, '<', 20::bigint, 'who was accepted is not looked up one by one');
select campaign.tick();
select is(status(:job), 'completed', 'it is the proof of finish');

select * from finish();
rollback;
