-- Held until the end of the transaction by whoever makes recipients pending: others with the same key then see them.
create function campaign._lock_dedupe(p_dedupe_key text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended('campaign dedupe ' || p_dedupe_key, 0))
$$;
