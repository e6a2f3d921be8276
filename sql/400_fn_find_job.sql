create function campaign._find_job(p_job uuid)
returns campaign.email_jobs
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
begin
  select j.* into v_job from campaign.email_jobs j where j.id = p_job;
  if not found then
    raise exception using
      errcode = 'CP001',
      message = format('there is no campaign %s', coalesce(p_job::text, 'null')),
      detail = format('There are %s campaigns in this database.', (select count(*) from campaign.email_jobs)),
      hint = 'Their ids: select id, segment, status from campaign.campaign_progress order by created_at desc.';
  end if;
  return v_job;
end
$$;
