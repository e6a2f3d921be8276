-- Fair shares by filling up: whoever wants little gets it, the others the same each. With fewer connections than runners they take
-- turns of 30 s.
create function campaign.connections(p_runner_id uuid, p_integration_id uuid, p_keep integer, p_want integer)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keep constant integer := greatest(p_keep, 0);
  v_want constant integer := greatest(p_want, 0);
  v_now timestamptz;
  v_stale_before timestamptz;
  v_cap integer;
  v_revision bigint;
  v_live uuid[];
  v_asking integer;
  v_left integer;
  v_share integer := 0;
  v_runner record;
begin
  perform set_config('synchronous_commit', 'off', true);
  if not exists (select from campaign.runner r where r.runner_id = p_runner_id)
    or not exists (select from campaign.email_integrations i where i.id = p_integration_id)
  then
    return '{"allowed": 0}';
  end if;

  insert into campaign.relay_state (integration_id) values (p_integration_id) on conflict do nothing;
  perform from campaign.relay_state s where s.integration_id = p_integration_id for update;
  v_now := campaign.now();
  select i.max_connections, i.revision into v_cap, v_revision from campaign.email_integrations i where i.id = p_integration_id;

  if v_keep = 0 and v_want = 0 then
    delete from campaign.relay_connection c where c.integration_id = p_integration_id and c.runner_id = p_runner_id;
    return jsonb_build_object('allowed', case when v_cap is not null then 0 end, 'revision', v_revision);
  end if;
  insert into campaign.relay_connection as c (integration_id, runner_id, want, may_hold)
  values (p_integration_id, p_runner_id, v_want, greatest(v_keep, case when v_cap is null then v_want else 0 end))
  on conflict (integration_id, runner_id) do update set want = excluded.want, may_hold = excluded.may_hold
  where (c.want, c.may_hold) <> (excluded.want, excluded.may_hold);
  if v_cap is null then
    return jsonb_build_object('allowed', null, 'revision', v_revision);
  end if;

  -- As recover_stale judges; whoever asks lives.
  v_stale_before := v_now - campaign._setting_interval('stale_after');
  v_live := array(
    select r.runner_id
    from campaign.runner r
    where r.runner_id = p_runner_id or r.heartbeat_at >= v_stale_before
      or coalesce((select t.alive_since from campaign.tick_state t), '-infinity') >= v_stale_before);
  select count(*) into v_asking from campaign.relay_connection c
  where c.integration_id = p_integration_id and c.runner_id = any (v_live) and c.want > 0;

  v_left := v_cap;
  for v_runner in
    select c.runner_id, c.want, v_asking - row_number() over w + 1 as still_asking
    from (
      select r.runner_id, r.want,
        case when v_cap < v_asking
          then (row_number() over (order by r.runner_id) + floor(extract(epoch from v_now) / 30)::bigint) % v_asking
          else r.want end as turn
      from campaign.relay_connection r
      where r.integration_id = p_integration_id and r.runner_id = any (v_live) and r.want > 0
    ) c
    window w as (order by c.turn, c.runner_id)
    order by c.turn, c.runner_id
  loop
    v_share := least(v_runner.want, v_left / v_runner.still_asking);
    exit when v_runner.runner_id = p_runner_id;
    v_left := v_left - v_share;
    v_share := 0;
  end loop;

  -- What others may still hold is not free yet: they hear of their smaller share when they ask.
  v_share := greatest(0, least(v_share, v_cap - (
    select coalesce(sum(c.may_hold), 0)
    from campaign.relay_connection c
    where c.integration_id = p_integration_id and c.runner_id = any (v_live) and c.runner_id <> p_runner_id)));
  update campaign.relay_connection c
  set may_hold = v_share
  where c.integration_id = p_integration_id and c.runner_id = p_runner_id and c.may_hold < v_share;
  return jsonb_build_object('allowed', v_share, 'revision', v_revision);
end
$$;

comment on function campaign.connections(uuid, uuid, integer, integer) is
'Asks how many connections to a relay a runner may hold, of the integration''s max_connections, which all runners share. p_keep: it holds no more than this from the call on until it has read the answer. p_want: what it would use. Returns {allowed, revision: of the integration''s settings, which are to be read again when it is another}. allowed is null: no cap; else its fair share, as far as others have let go; less than p_keep: it closes some, and says so with the next call. Both 0: it needs none any more.';
