-- A runner has one test mail in hand at most, so what it took and did not report is one whose answer was lost.
create function campaign.take_test_mail(p_runner_id uuid)
returns table (id uuid, integration_id uuid, email text, vars jsonb, message jsonb, created_at timestamptz)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_id uuid;
  v_waiting record;
begin
  perform campaign._enter_protocol();
  perform campaign._renew_heartbeat(p_runner_id);

  select m.id into v_id from campaign.test_mail m where m.runner_id = p_runner_id and m.outcome is null;
  if not found then
    for v_waiting in
      select w.id, w.integration_id
      from campaign.test_mail w
      where w.runner_id is null and w.outcome is null
      order by w.created_at
      for no key update skip locked
    loop
      if campaign._may_test(v_waiting.integration_id, p_runner_id) then
        update campaign.test_mail m set runner_id = p_runner_id where m.id = v_waiting.id returning m.id into v_id;
        exit;
      end if;
    end loop;
  end if;

  return query
    select m.id, m.integration_id, m.email, m.vars, campaign._message_spec(i.config, '{}', v, v.subject, 'test',
        (select s.value from campaign.setting s where s.name = 'public_url')), m.created_at
    from campaign.test_mail m
    join campaign.email_integrations i on i.id = m.integration_id
    join campaign.template_version v on v.template_id = m.template_id and v.version = m.template_version
    where m.id = v_id;
end
$$;

comment on function campaign.take_test_mail(uuid) is
'Gives a runner the oldest test mail that waits, to be attempted once: no row, or one. The runner reports it before it asks again; until then the answer is the same. CP020: not registered.';
