-- What a verb did, in words; and, as it matters to whoever waits for mail, whether anybody is there to send it.
create function campaign._notice(p_text text, p_needs_runner boolean default false)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  raise notice '%', p_text;
  if p_needs_runner and campaign._runners_alive() = 0 then
    raise notice 'no runner is alive: mail waits until there is one'
    using hint = 'Start one: campaign-runner run. See campaign.runners.';
  end if;
end
$$;
