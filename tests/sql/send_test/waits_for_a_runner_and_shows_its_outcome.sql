begin;
\ir ../_protocol.sql
select plan(13);

create role ana in role campaign_operator;
set local session authorization ana;
select id, template, integration, email, state, created_by from campaign.send_test('letter', ' Ada@Example.com ') \gset
select is(array[:'template', :'integration', :'email', :'state', :'created_by'], '{letter,relay,ada@example.com,waiting,ana}', 'it waits, and who asked is kept');
reset session authorization;
select is(campaign.tick() -> 'test_mail', 'true', 'runners are told');
select is((select count(*) from campaign.email_jobs), 0::bigint, 'it belongs to no campaign');

select is((select email || ' ' || (vars ->> 'first_name') || ' ' || (message -> 'template' ->> 'subject') || ' ' || (message ->> 'from_email')
  from campaign.take_test_mail(runner(1))), 'ada@example.com Ada Hi {{first_name}} hello@meetups.example', 'a runner gets all that makes the mail');
select is((select state from campaign.test_mails), 'under way', 'it is under way');
select is(campaign.tick() -> 'test_mail', 'false', 'and waits no longer');
select campaign.report_test_mail(runner(1), :'id', '{"outcome": "failed", "phase": "rcpt", "code": 550, "enhanced": "5.1.1", "detail": "550 no such user"}');
select is((select (state, phase, smtp_code, enhanced_code, detail, ended_at = campaign.now())::text from campaign.test_mails),
  '(failed,rcpt,550,5.1.1,"550 no such user",t)', 'what became of it');

select send.id as second from campaign.send_test('letter', 'ada@example.com', '{"name": "Eve", "first_name": "E"}', 'relay') send \gset
select is((select vars ->> 'name' from campaign.take_test_mail(runner(1))), 'Eve', 'values of its own');
select campaign.report_test_mail(runner(1), :'second', '{"outcome": "sent", "phase": "dot", "code": 250}');
select is((select string_agg(state, ' ' order by created_at, state) from campaign.test_mails), 'failed sent', 'each call sends a mail');

select third.id as third from campaign.send_test((select id::text from campaign.email_templates), 'ada@example.com') third \gset
update campaign.email_templates set subject = 'Changed {{first_name}}';
select is((select message -> 'template' ->> 'subject' from campaign.take_test_mail(runner(1))), 'Hi {{first_name}}', 'the template as it was when the test was asked for');
select campaign.report_test_mail(runner(1), :'third', '{"outcome": "sent"}');

select campaign.send_test('letter', 'ada@example.com');
delete from campaign.email_templates;
select is_empty('select from campaign.test_mails', 'a template that is deleted takes its tests along');
select is(campaign.tick() -> 'test_mail', 'false', 'nothing waits');
select is_empty('select from campaign.take_test_mail(runner(1))', 'nothing is given');

select * from finish();
rollback;
