-- start_campaign works with the rights of its caller, in parts; none of them alone can leave a campaign behind.
create function campaign._check_audience_is_frozen()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from campaign.email_jobs j where j.job_no = new.job_no and not j.audience_frozen) then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s has no audience', new.id),
      detail = 'A campaign and its audience are written in one transaction.',
      hint = 'Start campaigns by start_campaign.';
  end if;
  return null;
end
$$;

create constraint trigger audience_is_frozen
after insert on campaign.email_jobs
deferrable initially deferred
for each row execute function campaign._check_audience_is_frozen();
