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
  v_told bigint[];
  v_after bigint;
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
        -- Longer than a tick that is cut short by a runner's statement_timeout (10 s), or such ticks would be taken for a pause.
        when t.last_tick_at between v_now - interval '15 s' and v_now then t.alive_since
        else excluded.alive_since
      end
    returning t.after_job into v_after;

    -- What takes long comes before anything is locked that others wait for.
    for v_job in
      select j.job_no
      from campaign.proof p
      join campaign.email_jobs j on j.job_no = p.job_no
      where j.status in ('running', 'partial') and p.up_to < j.total_contacts
      order by j.job_no
    loop
      perform from campaign.email_jobs j where j.job_no = v_job.job_no for no key update skip locked;
      if found then
        begin
          perform campaign._count_on(v_job.job_no, interval '1 s');
        exception when query_canceled or others then
          raise warning 'campaign: the count of job % failed: %', v_job.job_no, sqlerrm;
        end;
      end if;
      exit when campaign._time_is_up(interval '1 s');
    end loop;

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
        or j.job_no in (select p.job_no from campaign.pending_on_sent p)
        or (j.status <> 'cancelled' and j.job_no in (select b.job_no from campaign.breaker b where b.look_again))
        or (j.status = 'cancelled' and exists (select from campaign.chunk c where c.job_no = j.job_no and c.state = 'ready'))
      order by j.job_no <= v_after, j.job_no
    loop
      perform from campaign.email_jobs j where j.job_no = v_job.job_no for no key update skip locked;
      if found then
        -- One job in a state that should not be, or one that takes too long, must not hold the others up.
        begin
          perform campaign._tick_job(v_job.job_no);
        exception when query_canceled or others then
          raise warning 'campaign: tick of job % failed: %', v_job.job_no, sqlerrm;
        end;
      end if;
      v_told := array(select p.pos from campaign.pending_on_sent p where p.job_no = v_job.job_no order by p.pos);
      if v_told <> '{}' then
        perform campaign._call_on_sent(v_job.job_no, v_told);
      end if;
      v_after := case when campaign._time_is_up() then v_job.job_no end;
      exit when v_after is not null;
    end loop;
    update campaign.tick_state t set after_job = v_after where t.after_job is distinct from v_after;

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
