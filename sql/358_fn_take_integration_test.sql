-- A runner has one test in hand at most, as with test mails.
create function campaign.take_integration_test(p_runner_id uuid)
returns table (id uuid, integration_id uuid, email text, created_at timestamptz)
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

  select m.id into v_id from campaign.integration_test m where m.runner_id = p_runner_id and m.passed is null;
  if not found then
    for v_waiting in
      select w.id, w.integration_id
      from campaign.integration_test w
      where w.runner_id is null and w.passed is null
      order by w.created_at
      for no key update skip locked
    loop
      if campaign._may_test(v_waiting.integration_id, p_runner_id) then
        update campaign.integration_test m
        set runner_id = p_runner_id, host = (select r.host from campaign.runner r where r.runner_id = p_runner_id)
        where m.id = v_waiting.id
        returning m.id into v_id;
        exit;
      end if;
    end loop;
  end if;

  return query
    select m.id, m.integration_id, m.email, m.created_at
    from campaign.integration_test m
    where m.id = v_id;
end
$$;

comment on function campaign.take_integration_test(uuid) is
'Gives a runner the oldest test of an integration that waits: no row, or one. The runner reports it before it asks again; until then the answer is the same. CP020: not registered.';
