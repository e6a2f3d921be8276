-- The whole life of a campaign by callers who have a schema first in their search_path that shadows what pg_campaign uses.
begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
insert into public.guest values (4, 'Edsger Dijkstra', 'edsger@example.com');
insert into campaign.suppressions (email) values ('edsger@example.com');
create table public.told (keys text[]);
create function public.tell(uuid, text, text[]) returns void language sql security definer set search_path = pg_catalog as 'insert into public.told values ($3)';
update campaign.segments set on_sent = 'public.tell';

create table public.canary (what text);
create schema evil;
grant usage on schema evil to public;
create function evil.sing(p_what text) returns void language sql security definer set search_path = pg_catalog as 'insert into public.canary values ($1)';
create function evil.now() returns timestamptz language plpgsql as $$ begin perform evil.sing('now'); return '1999-01-01'; end $$;
create function evil.clock_timestamp() returns timestamptz language plpgsql as $$ begin perform evil.sing('clock_timestamp'); return '1999-01-01'; end $$;
create function evil.format(text, variadic "any") returns text language internal immutable as 'text_format';
create function evil.format(text, text) returns text language plpgsql as $$ begin perform evil.sing('format'); return 'select 1'; end $$;
create function evil.lower(text) returns text language plpgsql as $$ begin perform evil.sing('lower'); return 'x'; end $$;
create function evil.btrim(text) returns text language plpgsql as $$ begin perform evil.sing('btrim'); return 'x'; end $$;
create function evil.length(text) returns integer language plpgsql as $$ begin perform evil.sing('length'); return 1; end $$;
create function evil.set_config(text, text, boolean) returns text language plpgsql as $$ begin perform evil.sing('set_config'); return ''; end $$;
create function evil.current_setting(text) returns text language plpgsql as $$ begin perform evil.sing('current_setting'); return 'read committed'; end $$;
create function evil.to_regprocedure(text) returns regprocedure language plpgsql as $$ begin perform evil.sing('to_regprocedure'); return 'evil.now()'; end $$;
create function evil.jsonb_build_object(variadic text[]) returns jsonb language plpgsql as $$ begin perform evil.sing('jsonb_build_object'); return '{}'; end $$;
create function evil.jsonb_build_object(text, text) returns jsonb language plpgsql as $$ begin perform evil.sing('jsonb_build_object'); return '{}'; end $$;
create function evil.cardinality(anyarray) returns integer language plpgsql as $$ begin perform evil.sing('cardinality'); return 0; end $$;
create function evil.unnest(anyarray) returns setof anyelement language plpgsql as $$ begin perform evil.sing('unnest'); return; end $$;
create function evil.generate_series(bigint, bigint) returns setof bigint language plpgsql as $$ begin perform evil.sing('generate_series'); return; end $$;
create function evil.pg_notify(text, text) returns void language plpgsql as $$ begin perform evil.sing('pg_notify'); end $$;
create function evil.count_step(bigint) returns bigint language plpgsql as $$ begin perform evil.sing('count'); return 4711; end $$;
create aggregate evil.count (*) (sfunc = evil.count_step, stype = bigint, initcond = '4711');
create function evil.equal(text, text) returns boolean language plpgsql as $$ begin perform evil.sing('= text'); return true; end $$;
create function evil.equal(bigint, bigint) returns boolean language plpgsql as $$ begin perform evil.sing('= bigint'); return true; end $$;
create function evil.equal(integer, integer) returns boolean language plpgsql as $$ begin perform evil.sing('= integer'); return true; end $$;
create function evil.equal(uuid, uuid) returns boolean language plpgsql as $$ begin perform evil.sing('= uuid'); return true; end $$;
create function evil.concat(text, text) returns text language plpgsql as $$ begin perform evil.sing('||'); return ''; end $$;
create function evil.concat(jsonb, jsonb) returns jsonb language plpgsql as $$ begin perform evil.sing('|| jsonb'); return '{}'; end $$;
create function evil.greater(timestamptz, timestamptz) returns boolean language plpgsql as $$ begin perform evil.sing('>'); return false; end $$;
create function evil.arrow(jsonb, text) returns text language plpgsql as $$ begin perform evil.sing('->>'); return 'x'; end $$;
create operator evil.= (leftarg = text, rightarg = text, function = evil.equal);
create operator evil.= (leftarg = bigint, rightarg = bigint, function = evil.equal);
create operator evil.= (leftarg = integer, rightarg = integer, function = evil.equal);
create operator evil.= (leftarg = uuid, rightarg = uuid, function = evil.equal);
create operator evil.|| (leftarg = text, rightarg = text, function = evil.concat);
create operator evil.|| (leftarg = jsonb, rightarg = jsonb, function = evil.concat);
create operator evil.> (leftarg = timestamptz, rightarg = timestamptz, function = evil.greater);
create operator evil.->> (leftarg = jsonb, rightarg = text, function = evil.arrow);
create function evil.sing_row() returns trigger language plpgsql as $$ begin perform evil.sing(tg_table_name); return new; end $$;
create table evil.email_jobs (like campaign.email_jobs);
create table evil.recipient (like campaign.recipient);
create table evil.suppressions (email text);
grant all on all tables in schema evil to public;
create temporary table email_jobs (like campaign.email_jobs);
create temporary table recipient (like campaign.recipient);
create temporary table chunk (like campaign.chunk);
create temporary table guest (id integer, name text, email text);
create trigger sings before insert on evil.recipient for each row execute function evil.sing_row();
create trigger sings before insert on pg_temp.recipient for each row execute function evil.sing_row();
grant all on pg_temp.email_jobs, pg_temp.recipient, pg_temp.chunk, pg_temp.guest to public;

create role carmen in role campaign_operator;
create role daemon in role campaign_runner;
create role ana in role campaign_admin;
create role rita in role campaign_reader;
grant select on public.guest to ana;

-- The last row of the statement, run under the evil search_path. Nothing between the two set_config is resolved by it but the statement.
create function run(p_role text, p_statement text) returns jsonb language plpgsql set search_path = pg_catalog as $$
declare
  v_row record;
  v_last jsonb;
begin
  perform pg_catalog.set_config('search_path', 'evil, campaign, public, pg_catalog', true), pg_catalog.set_config('role', p_role, true);
  execute p_statement into v_row;
  perform pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('role', 'none', true);
  return pg_catalog.to_jsonb(v_row);
end
$$;
create function job() returns uuid language sql as $$ select j.id from campaign.email_jobs j order by j.job_no desc limit 1 $$;
create function item(p_mark bigint, p_outcomes jsonb) returns jsonb language sql as $$
  select jsonb_build_array(jsonb_build_object('job_no', c.job_no, 'chunk_no', c.chunk_no, 'epoch', c.epoch, 'next_mark', p_mark, 'outcomes', p_outcomes))
  from campaign.chunk c where c.state = 'leased' order by c.job_no desc limit 1
$$;
create function reported(p_mark bigint, p_outcomes jsonb default '[]') returns text language sql as $$
  select run('daemon', format($q$ select report('00000000-0000-4000-8000-000000000001', %L) as answer $q$, item(p_mark, p_outcomes))) #>> '{answer,0,verdict}'
$$;
select plan(68);

select run('carmen', 'select now(), lower(''A''), format(''a'', ''b''), ''a'' || ''b''::text, ''a''::text = ''b'', count(*) from email_jobs where id = id');
select cmp_ok((select count(distinct what) from public.canary), '>=', 5::bigint, 'the canary sings for who asks for it');
delete from public.canary;

select lives_ok(s, 'ana: ' || s) from (values
  ($$ select run('ana', 'insert into campaign.email_templates (name, slug, subject, html, text) values (''New'', ''new'', ''Hi {{first_name}}'', ''<p>{{name}}</p>'', ''{{name}}'') returning id') $$),
  ($$ select run('ana', 'update campaign.email_templates set subject = ''Hello {{first_name}}'' where slug like ''new'' returning version') $$),
  ($$ select run('ana', 'insert into campaign.segments (name, query) values (''new'', ''select id::text as recipient_key, email, null::jsonb as vars from public.guest'') returning name') $$),
  ($$ select run('ana', 'insert into campaign.suppressions (email) values (''NEW@example.com'') returning email') $$),
  ($$ select run('ana', 'insert into campaign.email_integrations (name, config) values (''new'', ''{"host": "h", "port": 25, "from_email": "a@example.com", "headers": {"X-A": "1"}}'') returning id') $$),
  ($$ select run('ana', 'insert into campaign.setting (name, value) values (''stale_after'', ''31 s'') returning name') $$)) v (s);
select is((select version from campaign.email_templates where slug = 'new'), 2, 'a new version');
select ok(exists (select from campaign.suppressions where email = 'new@example.com'), 'a folded suppression');

select is(run('carmen', $$ select * from plan_campaign('guests', 'thanks') $$) - '{recipients,left_out,rate_limit,estimated_time,chunks}'::text[], '{"total_contacts": 3, "excluded": {"suppressed": 1}}', 'plan_campaign');
select is(run('carmen', $$ select * from start_campaign('guests', 'thanks', dedupe_key => 'spring', config => '{"max_retries": 1, "headers": {"X-A": "1"}}', idempotency_key => 'i') $$) ->> 'total_contacts', '3', 'start_campaign');
select is(run('carmen', $$ select * from start_campaign('guests', 'thanks', dedupe_key => 'spring', config => '{"headers": {"X-A": "1"}, "max_retries": 1}', idempotency_key => 'i') $$) ->> 'id', job()::text, 'with the same idempotency key');
select is(run('carmen', format('select * from pause_campaign(%L)', job())) ->> 'status', 'paused', 'pause_campaign');
select is(run('carmen', format('select * from resume_campaign(%L)', job())) ->> 'status', 'pending', 'resume_campaign');
select is(run('carmen', $$ select * from send_test('thanks', 'ada@example.com') $$) ->> 'state', 'waiting', 'send_test');
select is(run('carmen', $$ select * from test_integration('relay', 'ADA@example.com') $$) ->> 'email', 'ada@example.com', 'test_integration');
select is(run('ana', $$ select * from add_integration('gmail', 'ana@example.com', 'env:GMAIL', is_default => false) $$) #>> '{config,host}', 'smtp.gmail.com', 'add_integration');
select is(run('carmen', $$ select * from preview('thanks') $$) ->> 'subject', 'Thanks, Ada!', 'preview');
select is(run('carmen', 'select * from help()') ->> 'to_do', 'Add a relay', 'help');

select is(run('daemon', $$ select register_runner('00000000-0000-4000-8000-000000000001', 'h', 1, 'v', 1) as r $$) -> 'r' ->> 'stale_ms', '31000', 'register_runner');
select is(run('daemon', $$ select tick('00000000-0000-4000-8000-000000000001') as t $$), '{"t": {"stopped": [], "test_mail": true, "integration_test": true}}', 'tick');
select is(run('daemon', $$ select * from take_test_mail('00000000-0000-4000-8000-000000000001') $$) ->> 'email', 'ada@example.com', 'take_test_mail');
select run('daemon', format($$ select report_test_mail('00000000-0000-4000-8000-000000000001', %L, '{"outcome": "sent"}') $$, (select id from campaign.test_mail)));
select is((select state from campaign.test_mails), 'sent', 'report_test_mail');
select is(run('daemon', $$ select * from take_integration_test('00000000-0000-4000-8000-000000000001') $$) ->> 'email', 'ada@example.com', 'take_integration_test');
select run('daemon', format($$ select report_integration_test('00000000-0000-4000-8000-000000000001', %L, '[{"step": "mail", "result": "ok"}]') $$, (select id from campaign.integration_test)));
select is((select state from campaign.integration_tests), 'passed', 'report_integration_test');
select is(run('daemon', $$ select * from claim_chunks('00000000-0000-4000-8000-000000000001', 1, '[]') $$) ->> 'positions', '[1, 2, 3]', 'claim_chunks');
select is(run('daemon', format($$ select heartbeat('00000000-0000-4000-8000-000000000001', %L) as h $$, item(0, '[]'))) -> 'h', '{"lost": [], "now_us": 1772128800000000, "stopped": []}', 'heartbeat');
select is(run('daemon', format($$ select "grant"('00000000-0000-4000-8000-000000000001', %L, %s, 3) as g $$, j.integration_id, j.job_no)) #>> '{g,granted}', '3', 'grant')
from campaign.email_jobs j;
select is(run('daemon', format($$ select job_spec(%s) as s $$, j.job_no)) #>> '{s,message,headers,X-A}', '1', 'job_spec') from campaign.email_jobs j;
select is(run('daemon', format($$ select integration_spec(%L) as s $$, j.integration_id)) #>> '{s,password}', 'hunter2', 'integration_spec') from campaign.email_jobs j;
select is(reported(3), 'ok', 'report: may start');
select is(reported(3, '[{"pos": 1, "outcome": "sent"}, {"pos": 2, "outcome": "uncertain"}, {"pos": 3, "outcome": "failed", "code": 550}]'), 'done', 'report: outcomes');
select run('daemon', 'select tick()');
select is((select (status, sent_count, failed_count, uncertain_count)::text from campaign.email_jobs), '(completed,1,1,1)', 'the campaign has ended');

select is(run('ana', format('select record_open(%L) as r', token('open', (select job_no from campaign.email_jobs), 1))) ->> 'r', 'true', 'record_open');
select is(run('ana', format('select record_click(%L) as r', token('click', (select job_no from campaign.email_jobs), 1, 2))) ->> 'r', null, 'record_click');
select is(run('ana', format('select click_url(%L) as r', token('click', (select job_no from campaign.email_jobs), 1, 2))) ->> 'r', null, 'click_url');
select is(run('ana', format('select unsubscribe_state(%L) as r', token('unsubscribe', (select job_no from campaign.email_jobs), 1))) ->> 'r', 'subscribed', 'unsubscribe_state');
select is(run('ana', format('select record_events(%L) as r', jsonb_build_array(jsonb_build_object('kind', 'open', 'token', token('open', (select job_no from campaign.email_jobs), 1))))) ->> 'r', '1', 'record_events');
select is(run('ana', format('select record_unsubscribe(%L) as r', token('unsubscribe', (select job_no from campaign.email_jobs), 1))) ->> 'r', 'true', 'record_unsubscribe');
select is(run('ana', 'select rotate_signing_key() as r') ->> 'r', '2', 'rotate_signing_key');
select is(run('carmen', format('select * from record_bounce(message_id => ''<%s.3@x>'')', replace(job()::text, '-', ''))) ->> 'email', 'alan@example.com', 'record_bounce');
select is(run('carmen', 'select * from record_complaint(''EVE@example.com'')') ->> 'suppressed', 'true', 'record_complaint');
delete from campaign.suppressions where reason <> 'manual';
select is(run('rita', 'select unique_opens from campaign_stats') ->> 'unique_opens', '1', 'campaign_stats');

select is(run('rita', 'select * from uncertain_deliveries') ->> 'email', 'grace@example.com', 'uncertain_deliveries');
select is(run('rita', 'select * from failed_deliveries') ->> 'email', 'alan@example.com', 'failed_deliveries');
select is(run('rita', 'select * from campaign_stats') ->> 'bounces', '1', 'campaign_stats');
select is(run('rita', 'select * from campaign_progress') ->> 'percent', '100.0', 'campaign_progress');
select is(run('rita', 'select * from runners') ->> 'alive', 'true', 'runners');
select is(run('rita', 'select * from test_mails') ->> 'state', 'sent', 'test_mails');
select is(run('rita', 'select * from integration_tests') ->> 'state', 'passed', 'integration_tests');
select is(run('rita', 'select * from integration_test_steps') ->> 'step', 'mail', 'integration_test_steps');
select is(run('rita', 'select * from email_events order by created_at, event_type') ->> 'event_type', 'bounce', 'email_events');
select is(run('rita', 'select * from recipient_state') ->> 'state', 'sent', 'recipient_state');
select is(run('rita', format('select * from explain_recipient(%L, ''Ada@example.com'')', job())) ->> 'what', 'in the audience: sent', 'explain_recipient');

select is(run('carmen', format('select * from retry_failed(%L)', job())) ->> 'status', 'partial', 'retry_failed');
select is(run('carmen', format('select * from resolve_uncertain(%L, ''resend'', ''{GRACE@example.com}'')', job())) ->> 'uncertain_count', '0', 'resolve_uncertain: resend');
select is(run('carmen', format('select * from resolve_uncertain(%L, ''sent'')', job())) ->> 'sent_count', '2', 'resolve_uncertain: sent');
select is(run('daemon', $$ select * from claim_chunks('00000000-0000-4000-8000-000000000001', 1, '[]') $$) ->> 'positions', '[3]', 'claim_chunks: a retry');
select is(run('daemon', format($$ select release('00000000-0000-4000-8000-000000000001', %L) as r $$, item(null, '[]'))) #>> '{r,0,verdict}', 'ok', 'release');
select is(run('carmen', format('select * from cancel_campaign(%L)', job())) ->> 'status', 'cancelled', 'cancel_campaign');
select is(run('daemon', 'select recover_stale() as n') ->> 'n', '0', 'recover_stale');
select is(run('daemon', format($$ select replay('00000000-0000-4000-8000-000000000001', 'h', 1, 'v', null, '[]', true) as r $$)) -> 'r' ->> 'unknown', '[]', 'replay');
select lives_ok($$ select run('daemon', 'select unregister_runner(''00000000-0000-4000-8000-000000000001'')') $$, 'unregister_runner');
select ok((select bool_and(holds) from campaign.check_campaign(job())), 'the books hold');
select is(run('rita', format('select * from check_campaign(%L)', job())) ->> 'holds', 'true', 'check_campaign');

select bag_eq('select keys from public.told', $$ values ('{1}'::text[]), ('{2}') $$, 'the segment''s function was told');
select is((select count(*) from pg_temp.email_jobs) + (select count(*) from pg_temp.recipient) + (select count(*) from evil.email_jobs) + (select count(*) from evil.recipient), 0::bigint, 'no row went astray');
select is_empty('select distinct what from public.canary', 'the canary was silent');

select * from finish();
rollback;
