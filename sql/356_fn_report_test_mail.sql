create function campaign.report_test_mail(p_runner_id uuid, p_id uuid, p_outcome jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_outcome record;
begin
  perform campaign._enter_protocol();
  select o.* into v_outcome
  from jsonb_to_record(p_outcome) as o (outcome text, phase text, code integer, enhanced text, detail text);
  if not coalesce(v_outcome.outcome in ('sent', 'failed', 'deferred', 'uncertain'), false) then
    raise exception using
      errcode = 'CP022',
      message = format('outcome %L of a test mail is not known', v_outcome.outcome),
      detail = 'A runner reports sent, failed, deferred or uncertain.',
      hint = 'This is a bug of the runner.';
  end if;
  -- What a runner tells outranks what was concluded from its silence.
  update campaign.test_mail m
  set outcome = v_outcome.outcome, phase = v_outcome.phase, smtp_code = v_outcome.code, enhanced_code = v_outcome.enhanced,
    detail = left(v_outcome.detail, 500), ended_at = coalesce(m.ended_at, campaign.now())
  where m.id = p_id and m.runner_id = p_runner_id and (m.outcome is null or m.outcome = 'uncertain');
end
$$;

comment on function campaign.report_test_mail(uuid, uuid, jsonb) is
'What became of a test mail: {outcome: sent, failed, deferred or uncertain, phase, code, enhanced, detail}. Repeating it changes nothing. CP022: no such outcome.';
