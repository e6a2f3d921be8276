create function campaign.tick(p_runner_id uuid default null)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
  v_job record;
  v_waiting record;
begin
  perform campaign._enter_protocol();
  -- One at a time; the others have nothing to wait for. The key is the table's oid: a schema name in another database cannot meet it.
  if pg_try_advisory_xact_lock('campaign.tick_state'::regclass::oid::integer, 0) then
    -- First: it asks when the last tick was.
    perform campaign._follow_incarnation();
    v_now := campaign.now();
    insert into campaign.tick_state as t (last_tick_at, alive_since)
    values (v_now, v_now)
    on conflict (singleton) do update set
      last_tick_at = excluded.last_tick_at,
      alive_since = case
        when t.last_tick_at between v_now - interval '10 s' and v_now then t.alive_since
        else excluded.alive_since
      end;

    if campaign._replay_is_awaited() then
      perform campaign._await_replay();
    end if;
    perform campaign.recover_stale();
    perform campaign._end_test_mails();
    perform campaign._end_integration_tests();
    delete from campaign.relay_trouble t
    where not exists (
      select
      from campaign.runner r
      join campaign.email_integrations i on i.id = t.integration_id and i.revision = t.revision
      where r.runner_id = t.runner_id and r.heartbeat_at >= v_now - campaign._setting_interval('stale_after'));

    for v_job in
      select j.job_no
      from campaign.email_jobs j
      where j.status not in ('completed', 'failed', 'cancelled')
        or j.job_no in (select c.job_no from campaign.chunk c where c.dirty)
        or j.job_no in (select i.job_no from campaign.retry_item i)
        or (j.status <> 'cancelled' and j.job_no in (select b.job_no from campaign.breaker b where b.look_again))
        or (j.status = 'cancelled' and exists (select from campaign.chunk c where c.job_no = j.job_no and c.state = 'ready'))
      order by j.job_no
    loop
      perform from campaign.email_jobs j where j.job_no = v_job.job_no for no key update skip locked;
      if found then
        -- One job in a state that should not be must not hold the others up.
        begin
          perform campaign._tick_job(v_job.job_no);
        exception when others then
          raise warning 'campaign: tick of job % failed: %', v_job.job_no, sqlerrm;
        end;
      end if;
    end loop;

    for v_waiting in
      select p.job_no, array_agg(p.pos order by p.pos) as positions
      from campaign.pending_on_sent p
      group by p.job_no
    loop
      perform campaign._call_on_sent(v_waiting.job_no, v_waiting.positions);
    end loop;

    delete from campaign.runner r
    where r.heartbeat_at < v_now - interval '1 day'
      and not exists (select from campaign.chunk c where c.state = 'leased' and c.runner_id = r.runner_id);
  end if;

  return jsonb_build_object(
    'stopped', campaign._stopped_jobs(p_runner_id),
    'test_mail', exists (
      select from campaign.test_mail m where m.outcome is null and (m.runner_id is null or m.runner_id = p_runner_id)),
    'integration_test', campaign._integration_test_waits(p_runner_id));
end
$$;

comment on function campaign.tick(uuid) is
'Does everything that follows from the state: recovers leases of dead runners, starts scheduled jobs, brings retries back, adds counters up, pauses jobs in which one answer meets nearly everybody, says for what jobs wait, finishes them. Each runner calls it once a second; pg_cron or a person may too, at any time. Returns {stopped: jobs that the runner must not go on with, test_mail: whether a test mail waits for a runner, integration_test: whether a test of an integration does}.';
