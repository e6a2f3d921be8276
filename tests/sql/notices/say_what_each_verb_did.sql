-- Only another client can see notices: its statements run in a transaction of their own.
begin;
select plan(21);

-- Each call is announced, so that its notices can be told apart. A shell argument is one line.
select replace($$
begin;
set local timezone = 'UTC';
insert into campaign.setting (name, value) values ('clock', '2026-02-26 18:00+00');
insert into campaign.email_integrations (name, config, is_default) values ('relay', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true);
insert into campaign.email_integrations (name, config, rate_limit) values ('fast', '{"host": "h", "port": 25, "from_email": "a@example.com"}', null);
insert into campaign.email_templates (name, slug, subject, html) values ('Hi', 'hi', 'Hi', '<p>Hi</p>');
insert into campaign.segments (name, query)
values ('four', 'select g::text as recipient_key, case when g < 4 then ''g'' || g || ''@example.com'' end as email, null::jsonb as vars from generate_series(1, 4) g'),
  ('nobody', 'select ''k'' as recipient_key, ''a'' as email, null::jsonb as vars');
create function pg_temp.job() returns uuid language sql as 'select id from campaign.email_jobs order by created_at desc, job_no desc limit 1';
create function pg_temp.say(text) returns void language plpgsql as 'begin raise notice ''-- %'', $1; end';
create function pg_temp.play(p_outcomes text[]) returns void language plpgsql as '
declare
  l record;
begin
  perform campaign.register_runner(''00000000-0000-4000-8000-000000000001'', ''h'', 1, ''v'', 1);
  select * into l from campaign.claim_chunks(''00000000-0000-4000-8000-000000000001'', 1, ''[]'');
  perform campaign.report(''00000000-0000-4000-8000-000000000001'', jsonb_build_array(jsonb_build_object(''job_no'', l.job_no, ''chunk_no'', l.chunk_no, ''epoch'', l.epoch, ''next_mark'', 3, ''outcomes'', ''[]''::jsonb)));
  perform campaign.report(''00000000-0000-4000-8000-000000000001'', jsonb_build_array(jsonb_build_object(''job_no'', l.job_no, ''chunk_no'', l.chunk_no, ''epoch'', l.epoch, ''next_mark'', 3, ''outcomes'',
    (select jsonb_agg(jsonb_build_object(''pos'', n, ''outcome'', o)) from unnest(p_outcomes) with ordinality as u (o, n)))));
  perform campaign.tick();
end';
select pg_temp.say('plan'), campaign.plan_campaign('four', 'hi');
select pg_temp.say('plan without a rate'), campaign.plan_campaign('four', 'hi', integration => 'fast');
select pg_temp.say('plan nobody'), campaign.plan_campaign('nobody', 'hi');
select pg_temp.say('test'), campaign.send_test('hi', 'ada@example.com');
select pg_temp.say('start'), campaign.start_campaign('four', 'hi');
select pg_temp.say('pause'), campaign.pause_campaign(pg_temp.job());
select pg_temp.say('pause twice'), campaign.pause_campaign(pg_temp.job());
select pg_temp.say('resume'), campaign.resume_campaign(pg_temp.job());
select pg_temp.say('cancel'), campaign.cancel_campaign(pg_temp.job());
select pg_temp.say('cancel twice'), campaign.cancel_campaign(pg_temp.job());
select pg_temp.say('start'), campaign.start_campaign('four', 'hi');
select pg_temp.play('{sent,failed,uncertain}');
select pg_temp.say('retry'), campaign.retry_failed(pg_temp.job());
select pg_temp.say('retry twice'), campaign.retry_failed(pg_temp.job());
select pg_temp.say('resend'), campaign.resolve_uncertain(pg_temp.job(), 'resend');
select pg_temp.say('sent'), campaign.resolve_uncertain(pg_temp.job(), 'sent');
select pg_temp.say('sent twice'), campaign.resolve_uncertain(pg_temp.job(), 'sent');
select pg_temp.say('cancel later'), campaign.cancel_campaign(pg_temp.job());
select pg_temp.say('start'), campaign.start_campaign('four', 'hi', allow_repeat => true);
select pg_temp.play('{failed,uncertain,sent}');
update campaign.email_jobs set allow_repeat = false;
insert into campaign.suppressions (email) values ('g1@example.com'), ('g2@example.com');
select pg_temp.say('retry suppressed'), campaign.retry_failed(pg_temp.job());
select pg_temp.say('resend suppressed'), campaign.resolve_uncertain(pg_temp.job(), 'resend');
select pg_temp.say('test relay'), campaign.test_integration();
select pg_temp.say('add'), campaign.add_integration('gmail', 'ada@example.com', 'env:GMAIL');
select pg_temp.say('add with a password'), campaign.add_integration('improvmx', 'ada@example.com', 'secret', is_default => true);
insert into campaign.smtp_providers (name, title) values ('free', 'Free');
delete from campaign.email_integrations where is_default;
select pg_temp.say('add without limits'), campaign.add_integration('free', 'ada@example.com', 'file:/run/free', host => 'smtp.free.example', port => 465);
rollback;
$$, E'\n', ' ') as statements \gset
\set said `psql -X -q -o /dev/null -v VERBOSITY=default -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c :'statements' 2>&1`

create temporary table notice as
select n, line, (array_agg(mark) filter (where mark is not null) over (order by n))[count(mark) over (order by n)] as verb
from (select n, line, substring(line from '^NOTICE:  -- (.*)$') as mark from regexp_split_to_table(:'said', E'\n') with ordinality as t (line, n)) l;
create function said(p_verb text) returns text language sql as $$
  select string_agg(regexp_replace(line, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID', 'g'), ' | ' order by n) from notice
  where verb = p_verb and line !~ '-- ' and line !~ '^CONTEXT|^PL/pgSQL|^SQL '
$$;
create function no_runner() returns text language sql as $$
  select E' | NOTICE:  no runner is alive: mail waits until there is one | HINT:  Start one: campaign-runner run. See campaign.runners.'
$$;

select is(said(v.verb), 'NOTICE:  ' || v.says || case when v.waits then no_runner() else '' end, v.verb)
from (values
  ('plan', '3 recipients of segment four would get ''hi'' (left out: 1 invalid): 1 chunk, at least 00:00:01 at 5 mails a second; nothing was started', true),
  ('plan without a rate', '3 recipients of segment four would get ''hi'' (left out: 1 invalid): 1 chunk, as fast as the relay takes them; nothing was started', true),
  ('plan nobody', '0 recipients of segment nobody would get ''hi'' (left out: 1 invalid): start_campaign would refuse; nothing was started', false),
  ('test', 'template hi will be sent to one address over relay: select state, detail from campaign.test_mails where id = ''ID''', true),
  ('test relay', 'integration relay will be tested with one mail: select step, result, detail from campaign.integration_test_steps where id = ''ID''', false),
  ('pause', 'campaign ID is paused; resume_campaign(''ID'') goes on', false),
  ('pause twice', 'campaign ID is paused already: paused by ' || session_user, false),
  ('resume', 'campaign ID goes on: 3 of 3 recipients are left', true),
  ('cancel', 'campaign ID is cancelled: 0 sent, 3 not sent', false),
  ('cancel twice', 'campaign ID is cancelled already', false),
  ('retry', 'campaign ID: 1 of 1 failed recipients are tried again', false),
  ('retry twice', 'campaign ID: nobody has failed', false),
  ('resend', 'campaign ID: 1 of 1 uncertain recipients are mailed again, not before 2026-02-26 18:00:30+00: until then the first mail may still be under way (force => true does not wait)', false),
  ('sent', 'campaign ID: 1 uncertain recipients count as sent', false),
  ('sent twice', 'campaign ID: there is nobody to decide about', false),
  ('retry suppressed', 'campaign ID: 0 of 1 failed recipients are tried again (left out: 1 suppressed, 0 already mailed by another campaign)', false),
  ('resend suppressed', 'campaign ID: 0 of 1 uncertain recipients are mailed again (left out: 1 suppressed, 0 already mailed by another campaign)', false),
  ('add', 'integration gmail added: smtp.gmail.com:587, from ada@example.com, at most 20 mails a second, 5 connections, 500 mails in 24 hours | NOTICE:  see whether it works: select campaign.test_integration(''gmail'')', false),
  ('add with a password', 'integration improvmx added: smtp.improvmx.com:587, from ada@example.com, at most 5 mails a second, 3 connections; it is the default, in place of relay | NOTICE:  the password is readable in the database and in its dumps | HINT:  With env:NAME or file:/PATH the runner reads it on its own host. | NOTICE:  see whether it works: select campaign.test_integration(''improvmx'')', false),
  ('add without limits', 'integration free added: smtp.free.example:465, from ada@example.com, no limits; it is the default | NOTICE:  see whether it works: select campaign.test_integration(''free'')', false)) as v (verb, says, waits);
select is_empty($$ select line from notice where line ~ 'ERROR' $$, 'nothing failed');

select * from finish();
rollback;
