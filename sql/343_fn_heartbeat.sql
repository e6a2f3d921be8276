create function campaign.heartbeat(p_runner_id uuid, p_known jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_leases_from bigint;
begin
  -- A lost heartbeat is repeated within seconds; the commit need not wait for the disk.
  perform set_config('synchronous_commit', 'off', true);
  perform campaign._renew_heartbeat(p_runner_id);
  -- The lock of the runner's row keeps claims out: there is no lease that cannot be seen here, and later ones get no lower epochs.
  select coalesce(min(c.epoch), campaign._next_number(0)) into v_leases_from
  from campaign.chunk c
  where c.state = 'leased' and c.runner_id = p_runner_id
    and c.epoch >= (select r.leases_from from campaign.runner r where r.runner_id = p_runner_id);
  update campaign.runner r set leases_from = v_leases_from where r.runner_id = p_runner_id and r.leases_from < v_leases_from;
  return jsonb_build_object(
    'now_us', (extract(epoch from campaign.now()) * 1000000)::bigint,
    'stopped', campaign._stopped_jobs(p_runner_id),
    'lost', (
      select coalesce(jsonb_agg(jsonb_build_object('job_no', k.job_no, 'chunk_no', k.chunk_no, 'epoch', k.epoch)), '[]')
      from jsonb_to_recordset(p_known) as k (job_no bigint, chunk_no bigint, epoch bigint)
      where not exists (
        select from campaign.chunk c
        where c.job_no = k.job_no and c.chunk_no = k.chunk_no and campaign._owns(c, p_runner_id, k.epoch))));
end
$$;

comment on function campaign.heartbeat(uuid, jsonb) is
'A runner says that it lives and which leases it holds: [{job_no, chunk_no, epoch}]. Returns {now_us: the database''s time, in microseconds since 1970, stopped: jobs that must not go on, lost: leases that it no longer owns}. CP020: not registered.';
