-- A relay has had enough. class quota: nothing goes over it for the rule's wait; else half the rate, once in 10 s, since several
-- runners and connections hear the same. Bucket locks are the last ones.
create function campaign._slow_down(p_integration_id uuid, p_answer jsonb)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_now timestamptz;
  v_state campaign.relay_state;
  v_rate_limit numeric;
  v_base numeric;
  v_wait interval;
begin
  insert into campaign.relay_state (integration_id) values (p_integration_id) on conflict do nothing;
  perform from campaign.relay_state s where s.integration_id = p_integration_id for update;
  v_now := campaign.now();
  select s.* into strict v_state from campaign.relay_state s where s.integration_id = p_integration_id;

  if p_answer ->> 'class' = 'quota' then
    select r.wait into v_wait from campaign.smtp_rules r where r.id = (p_answer ->> 'rule')::integer;
    update campaign.relay_state s
    set held_until = greatest(s.held_until, v_now + coalesce(v_wait, interval '1 hour')),
      held_reason = concat_ws(' ', p_answer ->> 'code', coalesce(left(p_answer ->> 'detail', 500), 'the quota is used up'))
    where s.integration_id = p_integration_id;
    return;
  end if;

  if v_state.slowed_at > v_now - interval '10 s' then
    return;
  end if;
  select i.rate_limit into v_rate_limit from campaign.email_integrations i where i.id = p_integration_id;
  v_base := coalesce(v_rate_limit,
    -- Still recovering: what it was slowed down from.
    case when campaign._relay_rate(v_state, null, v_now) is not null then v_state.base end,
    (with recent as materialized (
       select t.job_no from campaign.attempt t where t.at > v_now - interval '10 s' and t.outcome = 'sent'
     )
     select greatest(5, count(*) / 10.0) from recent t join campaign.email_jobs j on j.job_no = t.job_no where j.integration_id = p_integration_id));
  update campaign.relay_state s
  set base = v_base, slowed_at = v_now,
    -- A mail a minute asks often enough whether it goes faster again.
    rate = greatest(1 / 60.0, coalesce(campaign._relay_rate(v_state, v_rate_limit, v_now), v_base) / 2)
  where s.integration_id = p_integration_id;
end
$$;
