-- Attempts that count against max_retries. A recipient that was given up and is tried again on request starts anew.
create function campaign._tries(p_job_no bigint, p_pos bigint)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select count(*)
  from campaign.attempt t
  where t.job_no = p_job_no and t.pos = p_pos and t.outcome in ('deferred', 'uncertain')
    and t.chunk_no > coalesce((
      select max(f.chunk_no) from campaign.attempt f
      where f.job_no = p_job_no and f.pos = p_pos and f.outcome = 'failed'), 0)
$$;
