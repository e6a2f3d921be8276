-- For whoever watches a campaign: campaign-runner serve listens. tick writes the counters of a campaign at most once a second, so
-- there are few.
create function campaign._tell_progress()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('campaign_progress', new.id::text);
  return null;
end
$$;

create trigger progress_is_told
after update on campaign.email_jobs
for each row
when ((new.status, new.status_reason, new.sent_count, new.failed_count, new.uncertain_count, new.suppressed_count, new.cancelled_count)
  is distinct from (old.status, old.status_reason, old.sent_count, old.failed_count, old.uncertain_count, old.suppressed_count, old.cancelled_count))
execute function campaign._tell_progress();
