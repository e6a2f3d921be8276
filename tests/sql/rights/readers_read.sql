begin;
\ir ../_fixtures.sql
select plan(7);
select id as job from campaign.start_campaign('guests', 'thanks') \gset
create role rita in role campaign_reader;
set local role rita;

select lives_ok('select * from campaign.email_jobs, campaign.campaign_progress, campaign.email_events, campaign.recipient_state, campaign.email_templates, campaign.segments, campaign.suppressions', 'tables and views');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'check_campaign');
select is((select name from campaign.email_integrations), 'relay', 'names of relays');
select throws_ok('select config from campaign.email_integrations', '42501', null, 'no secrets');
select throws_ok($$ select campaign.start_campaign('guests', 'thanks') $$, '42501', null, 'starts nothing');
select throws_ok(format('select campaign.cancel_campaign(%L)', :'job'), '42501', null, 'stops nothing');
select throws_ok($$ insert into campaign.suppressions (email) values ('a@example.com') $$, '42501', null, 'writes nothing');

select * from finish();
rollback;
