-- Two chunks can carry the same recipient only when one of them left a doubt; its lock puts their reports in order.
create function campaign._lock_doubts(p_job_no bigint, p_positions bigint[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  perform
  from campaign.doubt d
  where d.job_no = p_job_no and d.pos = any (p_positions)
  order by d.pos, d.chunk_no
  for update;
end
$$;
