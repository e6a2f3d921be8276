begin;
\ir ../_protocol.sql
\ir ../_digest.sql
create temporary table call (n integer generated always as identity, statement text, code text, what text);

create table public.event (id uuid);
create function public.event_exists(uuid) returns boolean language sql security definer as $$ select exists (select from public.event where id = $1) $$;
insert into campaign.setting (name, value) values ('event_check', 'public.event_exists');
insert into campaign.suppressions (email) values ('gone@example.com');
insert into campaign.email_templates (name, slug, subject, html, variables) values ('City', 'city', 'Hi', '<p>{{city}}</p>', '{city}');
insert into campaign.segments (name, query) values
  ('one', $$ select '1' as recipient_key, 'ada@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars $$),
  ('gone', $$ select '1' as recipient_key, 'gone@example.com' as email, null::jsonb as vars $$),
  ('nested', $$ select '1' as recipient_key, 'ada@example.com' as email, '{"name": {}, "first_name": "F"}'::jsonb as vars $$),
  ('divides', $$ select (1 / (random() * 0)::integer)::text as recipient_key, 'ada@example.com' as email, null::jsonb as vars $$);

-- A campaign in each state, each with a recipient who has failed and one who is uncertain, as far as the state allows.
create function make(p_state text) returns uuid language plpgsql as $$
declare
  v_job bigint := start_job(case p_state when 'failed' then 1 else 4 end, '{"chunk_size": 2}', 'hold', case p_state when 'scheduled' then campaign.now() + interval '1 day' end);
begin
  if p_state in ('running', 'partial', 'paused', 'completed', 'cancelled') then
    perform claim(1);
    perform report(1, v_job, 1, 2);
    perform report(1, v_job, 1, null, '1 failed 550, 2 uncertain');
    if p_state in ('running', 'completed') then
      perform claim(1);
    end if;
  elsif p_state = 'failed' then
    perform claim(1);
    perform report(1, v_job, 1, 1);
    perform report(1, v_job, 1, null, '1 failed 550');
  end if;
  if p_state = 'completed' then
    perform report(1, v_job, 2, 4);
    perform report(1, v_job, 2, null, '3 sent, 4 sent');
  elsif p_state = 'paused' then
    perform campaign.pause_campaign(job_id(v_job));
  elsif p_state = 'cancelled' then
    perform campaign.cancel_campaign(job_id(v_job));
  end if;
  perform campaign.tick();
  return job_id(v_job);
end
$$;
create temporary table job (state text, id uuid);
insert into job select s, make(s) from unnest('{completed,failed,cancelled,paused,running,partial,pending,scheduled}'::text[]) s;

insert into call (statement, code, what)
select format('select campaign.%s_campaign(%L)', v.verb, j.id), 'CP011', format('%s what is %s', v.verb, j.state)
from (values
  ('pause', '{completed,failed,cancelled}'::text[]),
  ('resume', '{completed,failed,cancelled,partial,running,pending,scheduled}'),
  ('cancel', '{completed,failed}')) as v (verb, states)
join job j on j.state = any (v.states)
union all
select format(v.statement, j.id), 'CP011', v.what
from (values
  ('select campaign.retry_failed(%L)', 'retry what is cancelled'),
  ('select campaign.resolve_uncertain(%L, ''resend'')', 'resend what is cancelled')) as v (statement, what), job j
where j.state = 'cancelled'
union all
select format(v.statement, i.id), 'CP001', format(v.statement, i.what)
from (values
  ('select campaign.pause_campaign(%L)'), ('select campaign.resume_campaign(%L)'), ('select campaign.cancel_campaign(%L)'),
  ('select campaign.retry_failed(%L)'), ('select campaign.resolve_uncertain(%L, ''sent'')'), ('select campaign.resolve_uncertain(%L, ''resend'')'),
  ('select campaign.check_campaign(%L)'), ('select campaign.explain_recipient(%L, ''ada@example.com'')')) as v (statement),
  (values ('00000000-0000-4000-8000-00000000000f', 'unknown'), (null, 'null')) as i (id, what)
union all
select format('select campaign.resolve_uncertain(%L, %s)', j.id, v.arguments), v.code, format('resolve_uncertain: %s, %s', v.what, j.state)
from (values
  ($$ 'sent', '{p1@example.com}' $$, 'CP013', 'an address that is not uncertain'),
  ($$ 'sent', '{p2@example.com,eve@example.com}' $$, 'CP013', 'one of two is not'),
  ($$ 'maybe' $$, 'CP008', 'a decision that there is not'),
  ($$ null $$, 'CP008', 'no decision')) as v (arguments, code, what),
  job j
union all
select format('select campaign.%s_campaign(%s)', v.verb, a.arguments), a.code, format('%s: %s', v.verb, a.what)
from (values ('start'), ('plan')) as v (verb),
  (values
    ($$ 'nobody', 'letter' $$, 'CP003', 'unknown segment'),
    ($$ null, 'letter' $$, 'CP003', 'no segment'),
    ($$ 'one', 'nothing' $$, 'CP002', 'unknown template'),
    ($$ 'one', null $$, 'CP002', 'no template'),
    ($$ 'one', 'letter', event_id => '00000000-0000-4000-8000-00000000000f' $$, 'CP005', 'unknown event'),
    ($$ 'one', 'letter', integration => 'none' $$, 'CP004', 'unknown integration'),
    ($$ 'one', 'letter', config => '{"concurrency": 0}' $$, 'CP008', 'concurrency 0'),
    ($$ 'one', 'letter', config => '{"concurrency": 10000}' $$, 'CP008', 'concurrency 10000'),
    ($$ 'one', 'letter', config => '{"rate_limit": -1}' $$, 'CP008', 'negative rate'),
    ($$ 'one', 'letter', config => '{"chunk_size": 1.5}' $$, 'CP008', 'a part of a recipient'),
    ($$ 'one', 'letter', config => '{"max_retries": "3"}' $$, 'CP008', 'a number as text'),
    ($$ 'one', 'letter', config => '{"speed": 3}' $$, 'CP008', 'unknown key'),
    ($$ 'one', 'letter', config => '[]' $$, 'CP008', 'a list as config'),
    ($$ 'one', 'letter', config => '{"from_name": ""}' $$, 'CP008', 'empty from_name'),
    ($$ 'one', 'letter', config => '{"reply_to": "no address"}' $$, 'CP008', 'reply_to that is no address'),
    ($$ 'one', 'letter', config => '{"headers": []}' $$, 'CP008', 'headers that are a list'),
    ($$ 'one', 'letter', config => '{"headers": {"X-A": 1}}' $$, 'CP008', 'a header that is a number'),
    ($$ 'one', 'letter', config => '{"headers": {"X A": "1"}}' $$, 'CP008', 'a header with a blank in its name'),
    ($$ 'one', 'letter', config => '{"headers": {"X-A": "1\nBcc: eve@example.com"}}' $$, 'CP008', 'a header of two lines'),
    ($$ 'one', 'letter', subject => E' \n' $$, 'CP008', 'empty subject'),
    ($$ 'one', 'letter', subject => 'Hi {{ name' $$, 'CP009', 'subject that is no template'),
    ($$ 'one', 'letter', subject => 'Hi {{ nmae }}' $$, 'CP009', 'subject with an unknown variable'),
    ($$ 'one', 'letter', dedupe_key => '' $$, 'CP008', 'empty dedupe key'),
    ($$ 'one', 'letter', audience_query => 'select 1' $$, 'CP010', 'a query beside a segment'),
    ($$ 'custom', 'letter', audience_query => 'select 1' $$, 'CP010', 'a query without the columns'),
    ($$ 'custom', 'letter', audience_query => '' $$, 'CP010', 'an empty query'),
    ($$ 'custom', 'letter', audience_query => 'select * from nowhere' $$, 'CP010', 'a query of nothing'),
    ($$ 'divides', 'letter' $$, 'CP010', 'a query that fails'),
    ($$ 'one', 'city' $$, 'CP009', 'recipients without a value'),
    ($$ 'nested', 'letter' $$, 'CP009', 'values that no mail can carry')) as a (arguments, code, what)
union all
select statement, code, what
from (values
  ($$ select campaign.start_campaign('gone', 'letter') $$, 'CP006', 'nobody to mail'),
  ($$ select campaign.start_campaign('custom', 'letter', dedupe_key => (select dedupe_key from campaign.email_jobs where status = 'pending' limit 1),
        audience_query => 'select ''1'' as recipient_key, ''p1@example.com'' as email, ''{"name": "N", "first_name": "F"}''::jsonb as vars') $$, 'CP007', 'everybody has it'),
  ($$ select campaign.start_campaign('one', 'letter', on_uncertain => 'maybe') $$, 'CP008', 'unknown on_uncertain'),
  ($$ select campaign.start_campaign('one', 'letter', idempotency_key => '') $$, 'CP008', 'empty idempotency key'),
  ($$ select campaign.start_campaign('one', 'letter', idempotency_key => repeat('x', 201)) $$, 'CP008', 'long idempotency key'),
  ($$ select campaign.start_campaign('one', 'letter', track_opens => true) $$, 'CP008', 'opens tracked without a public_url'),
  ($$ select campaign.start_campaign('one', 'letter', track_clicks => true) $$, 'CP008', 'clicks tracked without a public_url'),
  ($$ insert into campaign.setting (name, value) values ('public_url', 'mail.example.com') $$, 'CP008', 'public_url without https'),
  ($$ insert into campaign.setting (name, value) values ('reader_details', 'some') $$, 'CP008', 'reader_details of another kind'),
  ($$ select campaign.record_bounce() $$, 'CP008', 'bounce of nobody'),
  ($$ select campaign.record_bounce('no address') $$, 'CP008', 'bounce of no address'),
  ($$ select campaign.record_bounce('ada@example.com', '00000000-0000-4000-8000-00000000000f') $$, 'CP001', 'bounce of an unknown campaign'),
  ($$ select campaign.record_bounce(message_id => '<0000000000004000800000000000000f.1@example.com>') $$, 'CP001', 'bounce of a mail of an unknown campaign'),
  ($$ select campaign.record_bounce(message_id => format('<%s.999@example.com>', replace((select id from job limit 1)::text, '-', ''))) $$, 'CP008', 'bounce of a recipient that there is not'),
  ($$ select campaign.record_bounce(job => (select min(id::text) from job)::uuid, message_id => format('<%s.1@example.com>', replace((select max(id::text) from job), '-', ''))) $$, 'CP008', 'bounce of two campaigns'),
  ($$ select campaign.record_complaint('no address') $$, 'CP008', 'complaint of no address'),
  ($$ select campaign.record_events('{}') $$, 'CP008', 'a batch that is none'),
  ($$ select campaign.record_events(null) $$, 'CP008', 'no batch'),
  ($$ select campaign.preview('nothing') $$, 'CP002', 'preview of nothing'),
  ($$ select campaign.preview('city') $$, 'CP009', 'preview without a value'),
  ($$ select campaign.send_test('nothing', 'ada@example.com') $$, 'CP002', 'test of nothing'),
  ($$ select campaign.send_test('letter', 'no address') $$, 'CP008', 'test to no address'),
  ($$ select campaign.send_test('letter', 'GONE@example.com') $$, 'CP008', 'test to a suppressed address'),
  ($$ select campaign.send_test('letter', 'ada@example.com', integration => 'none') $$, 'CP004', 'test over nothing'),
  ($$ select campaign.test_integration('none') $$, 'CP004', 'test of an unknown relay'),
  ($$ select campaign.test_integration('relay', 'no address') $$, 'CP008', 'test of a relay by a mail to no address'),
  ($$ select campaign.test_integration('relay', 'GONE@example.com') $$, 'CP008', 'test of a relay by a mail to a suppressed address'),
  ($$ select campaign.explain_recipient((select id from job limit 1), ' ') $$, 'CP008', 'explain nobody'),
  ($$ insert into campaign.email_templates (name, slug, subject, html) values ('X', 'x', 'Hi', E'<p>\n  {% if name %}') $$, 'CP009', 'template with a syntax error'),
  ($$ insert into campaign.email_templates (name, slug, subject, html) values ('X', 'x', 'Hi', E'<p>\n  {{ nmae }}') $$, 'CP009', 'template with an unknown variable'),
  ($$ update campaign.email_templates set text = '{{ nmae }}' $$, 'CP009', 'template that is changed so'),
  ($$ insert into campaign.segments (name, query) values ('x', 'select * from public.nowhere') $$, 'CP010', 'segment of an unknown table'),
  ($$ insert into campaign.segments (name, query) values ('x', 'select id as recipient_key, nothing as email, null::jsonb as vars from public.event') $$, 'CP010', 'segment of an unknown column'),
  ($$ insert into campaign.segments (name, query) values ('x', 'select ''1'' as recipient_key') $$, 'CP010', 'segment without the columns'),
  ($$ insert into campaign.segments (name, query) values ('x', 'select 1; select 2') $$, 'CP010', 'segment of two statements'),
  ($$ insert into campaign.segments (name, query) values ('x', 'delete from public.event') $$, 'CP010', 'segment that deletes'),
  ($$ update campaign.segments set query = 'oops' $$, 'CP010', 'segment that is changed so'),
  ($$ update campaign.segments set on_sent = 'public.nothing' $$, 'CP008', 'on_sent that is not there'),
  ($$ update campaign.segments set on_sent = 'public.event_exists(uuid)' $$, 'CP008', 'on_sent with arguments'),
  ($$ update campaign.segments set on_sent = 'a..b' $$, 'CP008', 'on_sent that is no name'),
  ($$ update campaign.segments set on_sent = 'a.b.c' $$, 'CP008', 'on_sent in another database'),
  ($$ update campaign.segments set on_sent = '' $$, 'CP008', 'empty on_sent'),
  ($$ update campaign.email_integrations set rate_limit = -1 $$, 'CP008', 'negative rate of a relay'),
  ($$ update campaign.email_integrations set rate_limit = 'NaN' $$, 'CP008', 'rate that is no number'),
  ($$ update campaign.email_integrations set config = config || '{"port": 0}' $$, 'CP008', 'port 0'),
  ($$ update campaign.email_integrations set config = config - 'host' $$, 'CP008', 'no host'),
  ($$ update campaign.email_integrations set config = config || '{"from_email": "no address"}' $$, 'CP008', 'no sender'),
  ($$ update campaign.email_integrations set config = config || '{"headers": {"From": "x"}}' $$, 'CP008', 'a header that is ours'),
  ($$ update campaign.email_integrations set config = config || '{"tls": "ssl"}' $$, 'CP008', 'TLS that there is not'),
  ($$ update campaign.email_integrations set config = config || '{"timeouts": {"dot": 601}}' $$, 'CP008', 'a dot that waits too long'),
  ($$ update campaign.email_integrations set config = config || '{"password": "env:"}' $$, 'CP008', 'a password in no variable'),
  ($$ update campaign.email_integrations set max_connections = 0 $$, 'CP008', 'no connection'),
  ($$ update campaign.email_integrations set daily_quota = -1 $$, 'CP008', 'negative quota'),
  ($$ select campaign.add_integration('nothing') $$, 'CP008', 'relay of an unknown provider'),
  ($$ select campaign.add_integration('ses', 'u', 'env:P', 'a@example.com') $$, 'CP008', 'relay without a host'),
  ($$ select campaign.add_integration('gmail') $$, 'CP008', 'relay without a login'),
  ($$ select campaign.add_integration('sendgrid', password => 'env:P') $$, 'CP008', 'relay without a sender'),
  ($$ select campaign.add_integration('gmail', 'a@example.com', 'env:P', name => 'relay', is_default => true) $$, 'CP008', 'relay whose name is taken'),
  ($$ update campaign.smtp_providers set rate_limit = 1 $$, 'CP008', 'a shipped provider'),
  ($$ insert into campaign.smtp_providers (name, title, port) values ('x', 'X', 0) $$, 'CP008', 'a provider without a port'),
  ($$ insert into campaign.suppressions (email) values ('no address') $$, 'CP008', 'suppression of no address'),
  ($$ update campaign.setting set value = 'soon' where name = 'clock' $$, 'CP008', 'clock without a time'),
  ($$ update campaign.setting set value = '294277-01-01' where name = 'clock' $$, 'CP008', 'clock beyond time'),
  ($$ update campaign.setting set value = 'public.nothing' where name = 'event_check' $$, 'CP008', 'event_check that is not there'),
  ($$ update campaign.setting set value = 'a.b.c' where name = 'event_check' $$, 'CP008', 'event_check in another database'),
  ($$ insert into campaign.setting (name, value) values ('fence_after', '1 h') $$, 'CP008', 'fence_after beyond stale_after'),
  ($$ insert into campaign.setting (name, value) values ('fence_after', '9999999999 years') $$, 'CP008', 'interval beyond time'),
  ($$ select campaign.register_runner(runner(9), 'h', 1, 'v', 2) $$, 'CP021', 'unknown protocol'),
  ($$ select campaign.heartbeat(runner(9), '[]') $$, 'CP020', 'unknown runner'),
  ($$ select campaign.claim_chunks(runner(9), 1, '[]') $$, 'CP020', 'unknown runner asks for work'),
  ($$ select campaign.take_test_mail(runner(9)) $$, 'CP020', 'unknown runner asks for a test'),
  ($$ select campaign.take_integration_test(runner(9)) $$, 'CP020', 'unknown runner asks for a test of a relay'),
  ($$ select campaign.report_integration_test(runner(1), runner(9), '[{"step": "dance", "result": "ok"}]') $$, 'CP022', 'unknown step'),
  ($$ select campaign.report(runner(1), '[{"job_no": 99, "chunk_no": 1, "epoch": 1}]') $$, 'CP022', 'unknown lease'),
  ($$ select campaign.replay(runner(9), 'h', 1, 'v', null, jsonb_build_array(jsonb_build_object('job_no', j.job_no, 'job_id', j.id, 'chunk_no', 99, 'epoch', 1, 'mark', 9, 'open', '[999999]'::jsonb,
    'outcomes', '[]'::jsonb)), true) from campaign.email_jobs j limit 1 $$, 'CP022', 'replay of nobody'),
  ($$ select campaign.replay(runner(9), 'h', 1, 'v', null, jsonb_build_array(jsonb_build_object('job_no', j.job_no, 'job_id', j.id, 'chunk_no', 1, 'epoch', 1, 'mark', 1, 'open', '[]'::jsonb,
    'outcomes', '[{"pos": 1, "outcome": "lost"}]'::jsonb)), true) from campaign.email_jobs j where not exists (select from campaign.attempt a where a.job_no = j.job_no) limit 1 $$, 'CP022', 'replay of an unknown outcome'),
  ($$ select campaign.report_test_mail(runner(1), runner(9), '{"outcome": "lost"}') $$, 'CP022', 'unknown outcome')) as s (statement, code, what);

create function refusal(p_statement text) returns text language plpgsql as $$
declare
  v_detail text;
  v_hint text;
begin
  execute p_statement;
  return 'done';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
  return sqlstate || case when v_detail = '' then ' without detail' else '' end || case when v_hint = '' then ' without hint' else '' end;
end
$$;

select plan(4 + (select count(*) from call)::integer);
select is_empty('select state, status from job join campaign.email_jobs using (id) where state <> status', 'there is a campaign in each state');
select digest() as before \gset
select is(refusal(statement), code, what) from call order by n;
select is(digest(), :'before', 'nothing was changed');
select refused(statement, 'CP009', '{html,line 2}', 'what is wrong with a template has a line and a column: ' || what) from call where what ~ '^template with';

select * from finish();
rollback;
