-- Mails a second over a relay right now: its rate_limit, or less after it asked for patience. Null: no limit.
create function campaign._relay_rate(p_state campaign.relay_state, p_rate_limit numeric, p_now timestamptz)
returns numeric
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when r.rate >= coalesce(p_rate_limit, p_state.base) then p_rate_limit
    else least(p_rate_limit, r.rate) end
  from (
    select p_state.rate * 2 ^ least(30, floor(greatest(extract(epoch from p_now - p_state.slowed_at), 0) / 300)) as rate
  ) r
$$;
