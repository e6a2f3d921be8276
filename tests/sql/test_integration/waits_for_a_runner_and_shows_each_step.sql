begin;
\ir ../_protocol.sql
select plan(17);

create role ana in role campaign_operator;
set local session authorization ana;
select id, integration, email, state, created_by from campaign.test_integration() \gset
select is(array[:'integration', :'email', :'state', :'created_by'], '{relay,hello@meetups.example,waiting,ana}', 'the default relay, by a mail to its sender; who asked is kept');
reset session authorization;
select is(campaign.tick() -> 'integration_test', 'true', 'runners are told');
select is_empty('select from campaign.integration_test_steps', 'no step is done');

select is((select (id = :'id', integration_id = (select id from campaign.email_integrations), email, created_at = campaign.now())::text from campaign.take_integration_test(runner(1))),
  '(t,t,hello@meetups.example,t)', 'a runner gets what it tests');
select is((select (state, host)::text from campaign.integration_tests), '("under way",host)', 'it is under way, and where');
select is(campaign.tick() -> 'integration_test', 'false', 'and waits no longer');
select is(campaign.tick(runner(1)) -> 'integration_test', 'true', 'though its runner is told again, if it did not hear');
select advance('2 s');
select campaign.report_integration_test(runner(1), :'id', '[{"step": "resolve", "result": "ok", "detail": "127.0.0.1"}, {"step": "connect", "result": "ok"}, {"step": "tls", "result": "skipped", "detail": "loopback"},
  {"step": "login", "result": "failed", "detail": "535 5.7.8 no"}, {"step": "mail", "result": "skipped"}]');
select is((select (state, detail, ended_at = campaign.now())::text from campaign.integration_tests), '(failed,"login: 535 5.7.8 no",t)', 'what became of it');
select results_eq($$ select step, result, detail from campaign.integration_test_steps $$,
  $$ values ('resolve', 'ok', '127.0.0.1'), ('connect', 'ok', null), ('tls', 'skipped', 'loopback'), ('login', 'failed', '535 5.7.8 no'), ('mail', 'skipped', null) $$, 'step by step');

select advance('1 s');
select id as second from campaign.test_integration((select id::text from campaign.email_integrations), ' Ada@Example.com ') \gset
select is((select email from campaign.take_integration_test(runner(1))), 'ada@example.com', 'another address');
select campaign.report_integration_test(runner(1), :'second', format('[{"step": "connect", "result": "ok", "detail": %s}, {"step": "mail", "result": "ok", "detail": "250 ok"}]', to_json(repeat('x', 600)))::jsonb);
select is((select (state, detail)::text from campaign.integration_tests where id = :'second'), '(passed,)', 'passed if no step failed');
select is((select string_agg(step, ' ') from campaign.integration_test_steps), 'connect mail resolve connect tls login mail', 'the newest test first');
select is((select length(detail) from campaign.integration_test_steps limit 1), 500, 'a reply has an end');

select id as third from campaign.test_integration() \gset
select campaign.take_integration_test(runner(1));
select campaign.report_integration_test(runner(1), :'third', '[{"step": "resolve", "result": "failed"}]');
select is((select detail from campaign.integration_tests where id = :'third'), 'resolve', 'a step that fails without a word');

select campaign.test_integration();
delete from campaign.email_integrations;
select is_empty('select from campaign.integration_tests', 'a relay that is deleted takes its tests along');
select is(campaign.tick() -> 'integration_test', 'false', 'nothing waits');
select is_empty('select from campaign.take_integration_test(runner(1))', 'nothing is given');

select * from finish();
rollback;
