-- What answers mean beyond their recipients, once these are recorded: addresses that are no more, relays that have enough. Addresses
-- in their order, since two runners may tell of the same ones; then relays, whose locks are the last.
create function campaign._follow_answers(p_told jsonb)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_lock_timeout text := current_setting('lock_timeout');
  v_address record;
  v_relay record;
begin
  for v_address in
    select distinct campaign._fold_address(r.email) as email
    from jsonb_to_recordset(p_told) as t (job_no bigint, chunk_no bigint, pos bigint, verdict text, rule integer)
    join campaign.smtp_rules l on l.id = t.rule and l.suppress
    join campaign.attempt a on a.job_no = t.job_no and a.pos = t.pos and a.chunk_no = t.chunk_no and a.outcome = 'failed'
    join campaign.recipient r on r.job_no = t.job_no and r.pos = t.pos
    where t.verdict = 'fail'
    order by email
  loop
    -- Somebody may be writing the same address, in a transaction that stays open: runners do not wait for people.
    begin
      perform set_config('lock_timeout', '200ms', true);
      insert into campaign.suppressions (email, reason) values (v_address.email, 'bounce') on conflict do nothing;
      perform set_config('lock_timeout', v_lock_timeout, true);
    exception when lock_not_available or deadlock_detected then
      raise log 'campaign: an address that is no more was not suppressed: another transaction holds its row of campaign.suppressions';
    end;
  end loop;

  for v_relay in
    select distinct on (integration_id, quota) (t ->> 'integration_id')::uuid as integration_id, t ->> 'class' = 'quota' as quota, t as told
    from jsonb_array_elements(p_told) with ordinality as x (t, nr)
    where t ->> 'verdict' = 'slow_down'
    order by integration_id, quota, nr
  loop
    perform campaign._slow_down(v_relay.integration_id, v_relay.told);
  end loop;
end
$$;
