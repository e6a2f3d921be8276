-- The job that this transaction is starting: the only one whose audience may be written, see the policy on recipient.
create function campaign._filling_job()
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select max(j.job_no) from campaign.email_jobs j where not j.audience_frozen
$$;
