create function campaign.report_relay(p_runner_id uuid, p_integration_id uuid, p_revision bigint, p_failure jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_failure record;
  v_job record;
begin
  perform campaign._enter_protocol();
  if nullif(p_failure, 'null') is null then
    delete from campaign.relay_trouble t where t.integration_id = p_integration_id and t.runner_id = p_runner_id;
    return;
  end if;

  select f.* into v_failure
  from jsonb_to_record(p_failure) as f (phase text, code integer, detail text, verdict text, class text, retry_in_ms bigint);
  if not coalesce(v_failure.phase in ('resolve', 'connect', 'tls', 'greeting', 'ehlo', 'auth')
    and v_failure.verdict in ('defer', 'slow_down', 'stop_job') and v_failure.retry_in_ms between 0 and 86400000, false)
  then
    raise exception using
      errcode = 'CP022',
      message = format('phase %L, verdict %L, retry_in_ms %s tell of no connection that could not be opened', v_failure.phase, v_failure.verdict, v_failure.retry_in_ms),
      detail = 'The phases before MAIL are resolve, connect, tls, greeting, ehlo, auth; the verdicts there defer, slow_down, stop_job.',
      hint = 'This is a bug of the runner.';
  end if;
  if not exists (select from campaign.email_integrations i where i.id = p_integration_id and i.revision = p_revision)
    or not exists (select from campaign.runner r where r.runner_id = p_runner_id)
  then
    return;
  end if;

  if v_failure.verdict = 'stop_job' then
    for v_job in
      select j.job_no
      from campaign.email_jobs j
      where j.integration_id = p_integration_id and j.status in ('pending', 'running', 'partial')
      order by j.job_no
      for no key update
    loop
      perform campaign._pause_job(v_job.job_no, campaign._stop_reason(p_integration_id, p_failure));
    end loop;
    -- Its jobs say it; whoever resumes them is heard of anew.
    delete from campaign.relay_trouble t where t.integration_id = p_integration_id;
    return;
  end if;

  insert into campaign.relay_trouble as t (integration_id, runner_id, revision, phase, detail, since, retry_at)
  values (p_integration_id, p_runner_id, p_revision, v_failure.phase,
    concat_ws(' ', v_failure.code, coalesce(left(v_failure.detail, 500), 'no reply')),
    campaign.now(), campaign.now() + v_failure.retry_in_ms * interval '1 ms')
  on conflict (integration_id, runner_id) do update set
    revision = excluded.revision, phase = excluded.phase, detail = excluded.detail, retry_at = excluded.retry_at;
  if v_failure.verdict = 'slow_down' then
    perform campaign._slow_down(p_integration_id, p_failure);
  end if;
end
$$;

comment on function campaign.report_relay(uuid, uuid, bigint, jsonb) is
'A runner tells that it cannot open a connection to a relay: {phase, code, enhanced, detail, verdict, class, rule, retry_in_ms}; null: it can again. stop_job pauses every campaign over the relay; the others say for what they wait. p_revision: of the integration as the runner knows it; about an older one nothing is done. CP022: no such failure.';
