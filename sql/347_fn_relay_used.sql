-- Mails granted over an integration in the last 24 hours, and when there will be fewer. A bucket counts until its last mail, which
-- may have been begun 2 s after its grant, is over 24 hours old.
create function campaign._relay_used(p_integration_id uuid, p_now timestamptz, out n bigint, out fewer_at timestamptz)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(u.n), 0)::bigint, min(u.bucket) filter (where u.n > 0) + interval '24 hours 11 min'
  from campaign.relay_usage u
  where u.integration_id = p_integration_id and u.bucket > p_now - interval '24 hours 11 min'
$$;
