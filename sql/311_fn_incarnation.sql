-- A failover changes the timeline, a restored dump and a clone of the database its oid (and a new cluster the system identifier).
create function campaign._incarnation()
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select concat_ws('/',
    (select s.system_identifier from pg_control_system() s),
    ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint,
    (select d.oid from pg_database d where d.datname = current_database()))
$$;
