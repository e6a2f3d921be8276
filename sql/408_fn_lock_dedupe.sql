-- Held until the end of the transaction by whoever makes recipients pending: others with the same key then see them.
-- p_wait false: whoever holds other locks already may only try. Returns whether it is held.
create function campaign._lock_dedupe(p_dedupe_key text, p_wait boolean default true)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  c_key constant bigint := hashtextextended('campaign dedupe ' || p_dedupe_key, 0);
begin
  if not p_wait then
    return pg_try_advisory_xact_lock(c_key);
  end if;
  perform pg_advisory_xact_lock(c_key);
  return true;
end
$$;
