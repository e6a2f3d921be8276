-- Who changes a relay's settings or limits knows what has changed at the provider.
create function campaign._free_relay()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update campaign.relay_state s
  set rate = null, base = null, slowed_at = null, held_until = null, held_reason = null
  where s.integration_id = new.id;
  return null;
end
$$;

create trigger relay_is_free_after_a_change
after update on campaign.email_integrations
for each row
when ((new.config, new.rate_limit, new.daily_quota) is distinct from (old.config, old.rate_limit, old.daily_quota))
execute function campaign._free_relay();
