begin;
\ir ../_fixtures.sql
select plan(6);
select id as job from campaign.start_campaign('guests', 'thanks') \gset
create role rita in role campaign_reader;
set local role rita;

select lives_ok('select * from campaign.email_jobs, campaign.campaign_progress, campaign.campaign_stats, campaign.email_events, campaign.recipient_state, campaign.failed_deliveries,
  campaign.uncertain_deliveries, campaign.double_deliveries, campaign.runners, campaign.test_mails, campaign.integration_tests, campaign.integration_test_steps, campaign.smtp_providers, campaign.email_templates, campaign.segments, campaign.suppressions', 'tables and views');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'check_campaign');
select is((select name from campaign.email_integrations), 'relay', 'names of relays');
select is((select what from campaign.explain_recipient(:'job', 'ada@example.com')), 'in the audience: pending', 'what happened to somebody');
select isnt_empty('select campaign.preview(''thanks''), campaign.help()', 'mails, and help');
select is(campaign._setting_interval('clock'), null, 'of settings they learn intervals only');

select * from finish();
rollback;
