-- audience_query is SQL by design; it is one statement, read-only, with the rights of its caller.
begin;
\ir ../_fixtures.sql
\ir ../_digest.sql

create table public.canary (n integer);
insert into public.canary values (1);
grant select, insert, update, delete on public.canary to campaign_operator;
create table public.secret (k text);
insert into public.secret values ('hunter2');
create sequence public.seq;
grant usage on sequence public.seq to campaign_operator;
create function public.kill() returns text language plpgsql as $$ begin delete from public.canary; return 'k'; end $$;
create function public.kill_stable() returns text language sql volatile as $$ delete from public.canary returning 'k' $$;
create role carmen in role campaign_operator;

create temporary table hostile (query text, code text, what text);
insert into hostile values
  ('select ''k'' as recipient_key, ''a@example.com'' as email, null::jsonb as vars; drop table public.canary', 'CP010', 'two statements'),
  ('select 1) q; delete from public.canary; --', 'CP010', 'a second one behind the bracket'),
  ('select 1) q; drop table public.canary; select * from (select 1', 'CP010', 'brackets that fit again'),
  ('delete from public.canary returning n::text as recipient_key, ''a@example.com'' as email, null::jsonb as vars', 'CP010', 'delete'),
  ('with d as (delete from public.canary returning n) select n::text as recipient_key, ''a@example.com'' as email, null::jsonb as vars from d', 'CP010', 'delete in a query'),
  ('select public.kill() as recipient_key, ''a@example.com'' as email, null::jsonb as vars', 'CP010', 'a function that writes'),
  ('select public.kill_stable() as recipient_key, ''a@example.com'' as email, null::jsonb as vars', 'CP010', 'one in SQL'),
  ('select set_config(''transaction_read_only'', ''off'', true) as recipient_key, public.kill() as email, null::jsonb as vars', 'CP010', 'after switching read-only off'),
  ('select nextval(''public.seq'')::text as recipient_key, ''a@example.com'' as email, null::jsonb as vars', 'CP010', 'a sequence'),
  ('select n::text as recipient_key, ''a@example.com'' as email, null::jsonb as vars from public.canary for update', 'CP010', 'locks'),
  ('select k as recipient_key, ''a@example.com'' as email, null::jsonb as vars from public.secret', 'CP010', 'a table of others'),
  ('select config ->> ''password'' as recipient_key, ''a@example.com'' as email, null::jsonb as vars from campaign.email_integrations', 'CP010', 'the secret of a relay'),
  ('select campaign.integration_spec(id)::text as recipient_key, ''a@example.com'' as email, null::jsonb as vars from campaign.email_integrations', 'CP010', 'the secret by the runner''s call'),
  ('select rolpassword as recipient_key, ''a@example.com'' as email, null::jsonb as vars from pg_catalog.pg_authid', 'CP010', 'passwords'),
  ('select pg_catalog.pg_read_file(''/etc/passwd'') as recipient_key, ''a@example.com'' as email, null::jsonb as vars', 'CP010', 'files'),
  ('select campaign.cancel_campaign(id)::text as recipient_key, ''a@example.com'' as email, null::jsonb as vars from campaign.email_jobs', 'CP010', 'a verb'),
  ('drop table public.canary', 'CP010', 'drop'),
  ('copy public.canary to program ''true''', 'CP010', 'copy'),
  ('do $$ begin delete from public.canary; end $$', 'CP010', 'do'),
  ('explain analyze delete from public.canary', 'CP010', 'explain'),
  ('set role postgres', 'CP010', 'set role'),
  ('reset role', 'CP010', 'reset role'),
  ('commit', 'CP010', 'commit'),
  ('table public.canary', 'CP010', 'a table without the columns'),
  ('values (1)', 'CP010', 'values without the columns'),
  ('select $1::text as recipient_key, $3::text as email, null::jsonb as vars', 'CP010', 'a parameter that there is not'),
  ('--', 'CP010', 'a comment'),
  ('/*', 'CP010', 'a comment without end'),
  ('$$', 'CP010', 'a quote without end'),
  ('''', 'CP010', 'another'),
  (';', 'CP010', 'nothing'),
  (repeat('(', 500) || 'select 1', 'CP010', 'brackets');
grant select on hostile to carmen;
select plan(2 * (select count(*) from hostile)::integer + 5);

select id as job from campaign.start_campaign('guests', 'thanks') \gset
select digest() as before \gset
set local role carmen;
select refused(format('select campaign.start_campaign(''custom'', ''thanks'', audience_query => %L, dedupe_key => ''new'')', query), code, '{}', 'start: ' || what) from hostile;
select refused(format('select campaign.plan_campaign(''custom'', ''thanks'', audience_query => %L, dedupe_key => ''new'')', query), code, '{}', 'plan: ' || what) from hostile;
select is(current_user::text, 'carmen', 'the caller is who she was');
select is(current_setting('transaction_read_only'), 'off', 'and may write again');
reset role;
select is(digest(), :'before', 'nothing was written');
select is((select count(*) from public.canary), 1::bigint, 'the canary lives');
select is((select is_called from public.seq), false, 'the sequence stands');

select * from finish();
rollback;
