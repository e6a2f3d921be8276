create function campaign.report_integration_test(p_runner_id uuid, p_id uuid, p_steps jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_given jsonb := case jsonb_typeof(p_steps) when 'array' then p_steps else '[]' end;
  v_steps jsonb;
  v_different bigint;
  v_failed text;
begin
  perform campaign._enter_protocol();
  select
    jsonb_agg(jsonb_build_object('step', s.step ->> 'step', 'result', s.step ->> 'result', 'detail', left(s.step ->> 'detail', 500)) order by s.n),
    count(distinct s.step ->> 'step'),
    (array_agg(left(concat_ws(': ', s.step ->> 'step', s.step ->> 'detail'), 500) order by s.n) filter (where s.step ->> 'result' = 'failed'))[1]
  into v_steps, v_different, v_failed
  from jsonb_array_elements(v_given) with ordinality as s (step, n)
  where s.step ->> 'step' in ('resolve', 'connect', 'tls', 'login', 'mail') and s.step ->> 'result' in ('ok', 'failed', 'skipped');
  if v_steps is null or v_different <> jsonb_array_length(v_given) then
    raise exception using
      errcode = 'CP022',
      message = 'steps of a test of an integration are not known',
      detail = 'A runner reports [{step: resolve, connect, tls, login or mail, result: ok, failed or skipped, detail}], each step once.',
      hint = 'This is a bug of the runner.';
  end if;
  -- What a runner tells outranks what was concluded from its silence.
  update campaign.integration_test m
  set steps = v_steps, passed = v_failed is null, detail = v_failed, ended_at = coalesce(m.ended_at, campaign.now())
  where m.id = p_id and m.runner_id = p_runner_id and m.steps is null;
end
$$;

comment on function campaign.report_integration_test(uuid, uuid, jsonb) is
'What a runner met when it tested an integration: [{step: resolve, connect, tls, login or mail, result: ok, failed or skipped, detail}]. The test has passed if no step failed. Repeating it changes nothing. CP022: no such step or result, or a step twice.';
