-- Whether there is anything left to do before a job can end, or to add up.
create function campaign._has_work(p_job_no bigint)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from campaign.chunk c where c.job_no = p_job_no and (c.state <> 'done' or c.dirty))
    or exists (select from campaign.retry_item i where i.job_no = p_job_no);
end
$$;
