-- A start, and whoever has a campaign go on, holds the key's row (for share): none of them is missed here.
create function campaign._check_key_is_done()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_jobs uuid[] := array(
    select j.id
    from campaign.email_jobs j
    where j.signing_key_id = new.key_id and j.status not in ('completed', 'failed', 'cancelled')
    order by j.job_no);
begin
  if cardinality(v_jobs) > 0 then
    raise exception using
      errcode = 'CP011',
      message = format('key %s cannot be retired yet', new.key_id),
      detail = format('It signs the links of %s that did not end yet, among them %s: their mails would have dead links only, the one to unsubscribe included.',
        campaign._counted(cardinality(v_jobs), 'campaign'), v_jobs[1]),
      hint = format('Cancel them, or wait until they end: select id, status from campaign.email_jobs where signing_key_id = %s and completed_at is null.', new.key_id);
  end if;
  return new;
end
$$;

create trigger key_is_done
before update of retired_at on campaign.signing_key
for each row when (old.retired_at is null and new.retired_at is not null)
execute function campaign._check_key_is_done();
