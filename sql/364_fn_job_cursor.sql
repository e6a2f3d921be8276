-- The first range chunk that is not wholly recorded holds the first position that was not attempted.
create function campaign._job_cursor(p_job_no bigint)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select coalesce((campaign._open_positions(c))[1], c.mark + 1) - 1
     from campaign.chunk c
     where c.job_no = p_job_no and c.kind = 'range' and c.recorded < c.n
     order by c.chunk_no
     limit 1),
    (select j.total_contacts from campaign.email_jobs j where j.job_no = p_job_no))
$$;
