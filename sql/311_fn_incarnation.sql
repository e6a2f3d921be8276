-- A failover changes the timeline, a restored dump and a clone of the database its oid (and a new cluster the system identifier).
-- A standby has no timeline of its own; it refuses whatever the caller wants to write.
create function campaign._incarnation()
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_is_in_recovery() then
    return (select i.name from campaign.incarnation i);
  end if;
  return concat_ws('/',
    (select s.system_identifier from pg_control_system() s),
    ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint,
    (select d.oid from pg_database d where d.datname = current_database()));
end
$$;
