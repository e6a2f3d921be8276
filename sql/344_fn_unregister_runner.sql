create function campaign.unregister_runner(p_runner_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform campaign._enter_protocol();
  -- One that has not told this incarnation what it did is missed.
  delete from campaign.runner r where r.runner_id = p_runner_id and r.incarnation = campaign._incarnation();
end
$$;

comment on function campaign.unregister_runner(uuid) is
'A runner says goodbye. Leases that it still holds count as those of a dead runner from now on.';
