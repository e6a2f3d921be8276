-- A later statement reads the row: one that locks and reads could see it as it was before the lock.
create function campaign._lock_job(p_job uuid)
returns campaign.email_jobs
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform from campaign.email_jobs j where j.id = p_job for no key update;
  return campaign._find_job(p_job);
end
$$;
