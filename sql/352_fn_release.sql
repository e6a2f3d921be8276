create function campaign.release(p_runner_id uuid, p_items jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return campaign._report_items(p_runner_id, p_items, true);
end
$$;

comment on function campaign.release(uuid, jsonb) is
'A report that also ends the leases; to be called when nothing of them is in flight, with an outcome for each passed position (returned: not started). A position without one is in doubt.';
