-- The first range chunk that is not wholly recorded holds the first position that was not attempted. p_done_up_to: chunks up to this
-- one are known to be.
create function campaign._job_cursor(p_job_no bigint, p_done_up_to bigint default 0)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (select coalesce((campaign._open_positions(c))[1], c.mark + 1) - 1
     from campaign.chunk c
     where c.job_no = p_job_no and c.chunk_no > p_done_up_to and c.kind = 'range' and c.recorded < c.n
     order by c.chunk_no
     limit 1),
    (select j.total_contacts from campaign.email_jobs j where j.job_no = p_job_no));
end
$$;
