begin;
\ir ../_protocol.sql
\ir ../_digest.sql
\ir ../_tokens.sql

create table public.canary (n integer);
insert into public.canary values (1);
create role canary;
select token from campaign.create_api_token('canary', 'reader') \gset

-- One call of each public function that takes text, with an argument for each of its parameters, in SQL.
select start_job(3) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 uncertain');
select job_no as tracked from campaign.start_campaign('custom', 'news', track_opens => true, track_clicks => true,
  audience_query => 'select ''1'' as recipient_key, ''t@example.com'' as email, ''{"name": "N", "first_name": "F"}''::jsonb as vars') \gset
create function event(p_kind text) returns jsonb language sql as $$
  select did(p_kind, (select max(job_no) from campaign.email_jobs), 1, case p_kind when 'click' then 1 end)
$$;
create temporary table call (fn text, arguments jsonb);
insert into call values
  ('act_as', jsonb_build_object('token', quote_literal(:'token'))),
  ('create_api_token', '{"name": "''somebody''", "role": "''reader''"}'),
  ('revoke_api_token', '{"name": "''canary''"}'),
  ('plan_campaign', '{"segment": "''custom''", "template": "''letter''", "subject": "''Hi''", "config": "''{}''::jsonb", "integration": "''relay''", "audience_query": "null::text", "audience_keys": "null::text[]", "dedupe_key": "''k''"}'),
  ('start_campaign', '{"segment": "''custom''", "template": "''letter''", "subject": "''Hi''", "config": "''{}''::jsonb", "integration": "''relay''", "audience_query": "null::text", "audience_keys": "null::text[]", "dedupe_key": "''k''", "on_uncertain": "''hold''", "idempotency_key": "''i''"}'),
  ('pause_campaign', format('{"job": "''%s''::uuid", "reason": "''lunch''"}', job_id(:job))::jsonb),
  ('resolve_uncertain', format('{"job": "''%s''::uuid", "decision": "''sent''", "emails": "null::text[]"}', job_id(:job))::jsonb),
  ('explain_recipient', format('{"job": "''%s''::uuid", "email": "''p1@example.com''"}', job_id(:job))::jsonb),
  ('send_test', '{"template": "''letter''", "email": "''ada@example.com''", "vars": "''{}''::jsonb", "integration": "''relay''"}'),
  ('test_integration', '{"integration": "''relay''", "email": "''ada@example.com''"}'),
  ('report_integration_test', '{"p_runner_id": "public.runner(1)", "p_id": "public.runner(1)", "p_steps": "''[{\"step\": \"mail\", \"result\": \"ok\"}]''::jsonb"}'),
  ('add_integration', '{"provider": "''smtp''", "username": "''u''", "password": "''env:P''", "from_email": "''ada@example.com''", "name": "''new''", "host": "''h''", "from_name": "''A''", "reply_to": "''ada@example.com''"}'),
  ('preview', '{"template": "''letter''", "email": "''ada@example.com''", "vars": "''{}''::jsonb"}'),
  ('judge_reply', '{"phase": "''rcpt''", "reply": "''550 no''"}'),
  ('record_open', format('{"token": "''%s''", "user_agent": "''x''"}', token('open', :tracked, 1))::jsonb),
  ('record_click', format('{"token": "''%s''", "user_agent": "''x''"}', token('click', :tracked, 1, 1))::jsonb),
  ('click_url', format('{"token": "''%s''"}', token('click', :tracked, 1, 1))::jsonb),
  ('record_unsubscribe', format('{"token": "''%s''", "user_agent": "''x''"}', token('unsubscribe', :tracked, 1))::jsonb),
  ('unsubscribe_state', format('{"token": "''%s''"}', token('unsubscribe', :tracked, 1))::jsonb),
  ('record_events', jsonb_build_object('p_events', format('%L::jsonb', jsonb_build_array(event('open'))))),
  ('record_bounce', '{"email": "''t@example.com''", "message_id": "null::text", "detail": "''x''"}'),
  ('record_complaint', '{"email": "''t@example.com''", "message_id": "null::text", "detail": "''x''"}'),
  ('replay', '{"p_runner_id": "public.runner(3)", "p_host": "''host''", "p_pid": "1", "p_version": "''1''", "p_remembers_from_us": "null", "p_items": "''[]''", "p_last": "true"}'),
  ('register_runner', '{"p_runner_id": "public.runner(3)", "p_host": "''host''", "p_pid": "1", "p_version": "''1''", "p_protocol": "1"}'),
  ('heartbeat', '{"p_runner_id": "public.runner(1)", "p_known": "''[]''::jsonb"}'),
  ('claim_chunks', '{"p_runner_id": "public.runner(1)", "p_want": "1", "p_known": "''[]''::jsonb"}'),
  ('report', '{"p_runner_id": "public.runner(1)", "p_items": "''[]''::jsonb"}'),
  ('release', '{"p_runner_id": "public.runner(1)", "p_items": "''[]''::jsonb"}'),
  ('report_relay', '{"p_runner_id": "public.runner(1)", "p_integration_id": "public.runner(1)", "p_revision": "1", "p_failure": "''null''::jsonb"}'),
  ('report_test_mail', '{"p_runner_id": "public.runner(1)", "p_id": "public.runner(1)", "p_outcome": "''{}''::jsonb"}');
insert into campaign.segments (name, query)
values ('custom', $$ select coalesce($2[1], 'k') as recipient_key, 'ada@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars $$);
grant execute on function public.runner(integer) to campaign_runner;

create temporary table parameter as
select p.proname::text as fn, a.name, a.type::regtype::text as type
from pg_proc p
cross join lateral unnest(p.proargtypes::oid[], p.proargnames[1:p.pronargs]) as a (type, name)
where p.pronamespace = 'campaign'::regnamespace and p.proname !~ '^_'
  and a.type::regtype::text in ('text', 'text[]', 'json', 'jsonb', 'character varying', 'name');

create temporary table hostile as
select distinct t as value
from unnest(array[
  '', ' ', 'null', 'NULL', '\N', '''', '''''', '"', '\', '\''', '\\', '$$', '$1', '$2', '$q$', '%', '%s', '%I', '%L', '%s %I %L %1$s', '%n', '{}', '{', '[]', '--', '/*', '*/', ';',
  '''; drop table public.canary; --', '"; drop table public.canary; --', '$$; drop table public.canary; --', '); drop table public.canary; --', '\''; drop table public.canary; --',
  'x'' or ''1''=''1', '''||(select pg_sleep(0))||''', 'x''); delete from public.canary; --', ') q; drop role canary; --', '''; drop role canary; --', '"; create role owned superuser; --',
  'public.canary', 'pg_sleep', '(delete from public.canary returning n)', '{{ 7*7 }}', '{% if %}', '{{ email', '{{ self }}', '${7*7}',
  E'\n', E'\r\n', E'\t', E'x\r\nBcc: eve@example.com', E'x\nBcc: eve@example.com', E'\x01', E'\u2028', E'\u02BC; drop table public.canary; --', E'\u2019; drop table public.canary; --', E'\uFF07 or 1=1',
  E'\u202E', E'\U0001F9E8', E'\u00E9', repeat('x', 100000), repeat('''', 10000), repeat('(', 10000), repeat('{{', 1000), '-1', '1e999', '9223372036854775808', 'NaN', 'infinity', '../../etc/passwd', '<script>alert(1)</script>']) t;

-- The hostile value in each form in which the parameter could take it, in SQL.
create function forms(p_type text, p_name text, p_value text) returns setof text language sql as $$
  select format('%L::text', p_value) where p_type in ('text', 'character varying', 'name')
  union all
  select f from (values
    (format('array[%L]::text[]', p_value)), (format('array[%L, null, %L]::text[]', 'ada@example.com', p_value))) v (f) where p_type = 'text[]'
  union all
  select format('%L::jsonb', j)
  from (values
    ('', to_jsonb(p_value)),
    ('', jsonb_build_object(p_value, p_value)),
    ('vars', jsonb_build_object('name', p_value, 'first_name', p_value)),
    ('config', jsonb_build_object('from_name', p_value)),
    ('config', jsonb_build_object('reply_to', p_value)),
    ('config', jsonb_build_object('headers', jsonb_build_object(p_value, 'x'))),
    ('config', jsonb_build_object('headers', jsonb_build_object('X-A', p_value))),
    ('config', jsonb_build_object('concurrency', p_value)),
    ('config', jsonb_build_object('rate_limit', p_value)),
    ('p_outcome', jsonb_build_object('outcome', p_value, 'phase', p_value, 'enhanced', p_value, 'detail', p_value)),
    ('p_outcome', jsonb_build_object('outcome', 'sent', 'phase', p_value, 'enhanced', p_value, 'detail', p_value)),
    ('p_outcome', jsonb_build_object('outcome', 'sent', 'code', p_value)),
    ('p_steps', jsonb_build_array(jsonb_build_object('step', p_value, 'result', p_value))),
    ('p_steps', jsonb_build_array(jsonb_build_object('step', 'mail', 'result', 'failed', 'detail', p_value))),
    ('p_failure', jsonb_build_object('phase', p_value, 'detail', p_value, 'verdict', p_value, 'class', p_value, 'retry_in_ms', 1)),
    ('p_failure', jsonb_build_object('phase', 'auth', 'detail', p_value, 'verdict', 'stop_job', 'class', p_value, 'retry_in_ms', 1)),
    ('p_events', jsonb_build_array(p_value, jsonb_build_object(p_value, p_value), jsonb_build_object('kind', p_value, 'token', p_value))),
    ('p_events', jsonb_build_array(event('open') || jsonb_build_object('user_agent', p_value, 'address', p_value, 'age_ms', p_value, 'link_url', p_value))),
    ('p_events', jsonb_build_array(event('click') || jsonb_build_object('user_agent', p_value, 'address', p_value, 'age_ms', p_value),
      event('click') || jsonb_build_object('link_url', 'https://' || p_value), event('click') || jsonb_build_object('link_url', p_value))),
    ('p_known', jsonb_build_array(jsonb_build_object('job_no', p_value, 'chunk_no', p_value, 'epoch', p_value))),
    ('p_items', jsonb_build_array(p_value)),
    ('p_items', jsonb_build_array(item(1, 1, 3) || jsonb_build_object('outcomes', jsonb_build_array(
      jsonb_build_object('pos', 2, 'outcome', 'failed', 'phase', p_value, 'enhanced', p_value, 'detail', p_value, 'verdict', p_value, 'class', p_value, 'rule', p_value))))),
    ('p_items', jsonb_build_array(item(1, 1, 3) || jsonb_build_object('outcomes', p_value))),
    ('p_items', jsonb_build_array(item(1, 1, 3) || jsonb_build_object('next_mark', p_value)))) v (name, j)
  where p_type in ('json', 'jsonb')
    and (v.name in ('', p_name) or p_name not in ('vars', 'config', 'p_outcome', 'p_steps', 'p_failure', 'p_events', 'p_known', 'p_items'))
$$;

-- All that a call of this function may not change.
create function world(p_fn text) returns text language sql as $$
  select digest(array_remove('{email_integrations,email_templates,template_version,segments,smtp_providers,suppressions,setting}',
      case
      when p_fn = 'add_integration' then 'email_integrations'
      when p_fn in ('record_unsubscribe', 'record_bounce', 'record_complaint') then 'suppressions' end))
    || (select count(*) from public.canary) || ' ' || (select count(*) from pg_class) || ' ' || (select count(*) from pg_roles) || ' ' || (select count(*) from pg_proc)
$$;

-- What a call comes to, undone whatever it did: 'done', an SQLSTATE, or harm.
create function attempt(p_fn text, p_role text, p_statement text, p_world text) returns text language plpgsql as $$
begin
  execute format('set local role %I', p_role);
  execute p_statement;
  reset role;
  raise exception using errcode = case when world(p_fn) = p_world then 'DONE0' else 'HARM0' end;
exception
  when sqlstate 'DONE0' then return 'done';
  when others then return sqlstate;
end
$$;
create function attempt_call(p_fn text, p_arguments jsonb, p_world text) returns text language sql as $$
  select attempt(
    p_fn,
    (array_agg(r.role order by r.n))[1],
    format('select * from campaign.%I(%s)', p_fn, (select string_agg(format('%I => %s', a.key, a.value), ', ') from jsonb_each_text(p_arguments) a)),
    p_world)
  from pg_proc p, unnest('{campaign_operator,campaign_admin,campaign_runner,campaign_server}'::text[]) with ordinality as r (role, n)
  where p.pronamespace = 'campaign'::regnamespace and p.proname = p_fn and has_function_privilege(r.role, p.oid, 'execute')
$$;

select plan(7);
select is_empty('select fn from parameter except select fn from call', 'each function that takes text is called here: add a new one to the table');
select is_empty('select fn, name from parameter p where not exists (select from call c where c.fn = p.fn and c.arguments ? p.name)', 'with a value for each such parameter');
select is_empty($$ select fn, o from call, attempt_call(fn, arguments, world(fn)) o where o not in ('done', 'CP009', 'CP022') $$,
  'without hostile values the calls work (or lack a value for the template, or an outcome)');

create temporary table outcome (fn text, name text, form text, outcome text);
select digest() as before \gset
create temporary table before as select fn, world(fn) from call;
insert into outcome
select p.fn, p.name, f as form, attempt_call(p.fn, c.arguments || jsonb_build_object(p.name, f), b.world) as outcome
from parameter p
join call c using (fn)
join before b using (fn)
cross join hostile h
cross join lateral forms(p.type, p.name, h.value) f;
select cmp_ok((select count(*) from outcome), '>', 3000::bigint, 'thousands of calls');
-- Class 22 are values that a type does not take.
select is_empty($$ select fn, name, left(form, 60), outcome from outcome where outcome !~ '^(done|CP0..|22...)$' $$, 'each was taken as data, or refused');
select is(digest(), :'before', 'a refused one left no trace');
select is((select count(*) from public.canary), 1::bigint, 'the canary lives');

select * from finish();
rollback;
