begin;
select plan(10);

create temporary view fn as
select p.oid::regprocedure::text as name, p.* from pg_proc p where p.pronamespace = 'campaign'::regnamespace;
create temporary view rel as
select c.oid::regclass::text as name, c.* from pg_class c where c.relnamespace = 'campaign'::regnamespace;

select cmp_ok((select count(*) from fn), '>', 40::bigint, 'there are functions to look at');
select is_empty($$ select name from fn where not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)
  and name <> 'campaign._fold_address(text)' $$, 'every function pins search_path, but one in Rust that looks nothing up and is called for each recipient');
select is_empty($$ select name from fn where exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) a where a.grantee = 0) $$,
  'no function is executable by PUBLIC');
select is_empty($$ select name from rel where exists (select from aclexplode(relacl) a where a.grantee = 0)
  union all select nspname from pg_namespace where nspname = 'campaign' and exists (select from aclexplode(nspacl) a where a.grantee = 0) $$,
  'PUBLIC has no table, view or sequence, nor the schema');
select is_empty($$ select name from fn where proname !~ '^_' and obj_description(oid, 'pg_proc') is null
  union all select name from rel where relkind in ('r', 'v') and obj_description(oid, 'pg_class') is null $$, 'every public object has a comment');
select is_empty($$ select name from rel where relkind in ('r', 'S')
    and not oid = any ((select extconfig from pg_extension where extname = 'pg_campaign')::oid[]) $$, 'every table and sequence goes into dumps');
select is_empty($$ select name from fn where prosecdef and proowner <> 'campaign_owner'::regrole
  union all select name from rel where relkind in ('r', 'v', 'S') and relowner <> 'campaign_owner'::regrole $$, 'campaign_owner owns what runs with its owner''s rights');
select set_eq($$ select rolname::text from pg_roles
    where rolname like 'campaign\_%' and not (rolcanlogin or rolsuper or rolcreaterole or rolbypassrls) $$,
  array['campaign_owner', 'campaign_admin', 'campaign_operator', 'campaign_runner', 'campaign_reader', 'campaign_server'],
  'no role of the extension logs in or is more than it needs to be');
select is_empty($$ select conrelid::regclass, conname from pg_constraint where contype = 'c' and connamespace = 'campaign'::regnamespace and conname ~ '_check\d*$' $$,
  'every CHECK has a name that says what is legal');
select is_empty($$ select c.conrelid::regclass, c.conname from pg_constraint c where c.connamespace = 'campaign'::regnamespace and not c.convalidated $$, 'and is validated');

select * from finish();
rollback;
