-- Whether to leave the rest of a long call to the next one: half of its statement_timeout is over, or p_longest. A statement_timeout strikes
-- once; what goes on after it was caught has no limit any more.
create function campaign._time_is_up(p_longest interval default '5 s')
returns boolean
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select clock_timestamp() - statement_timestamp()
    > least(p_longest, nullif(current_setting('statement_timeout')::interval, interval '0') / 2)
$$;
