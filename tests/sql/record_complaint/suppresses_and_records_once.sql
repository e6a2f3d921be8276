begin;
\ir ../_fixtures.sql
select plan(7);

select id as job, replace(id::text, '-', '') as hex from campaign.start_campaign('guests', 'thanks') \gset
select play_runner();
select results_eq(format('select * from campaign.record_complaint(message_id => ''<%s.2@meetups.example>'', detail => ''abuse'')', :'hex'),
  format('values (''grace@example.com'', true, %L::uuid, true)', :'job'), 'a complaint');
select campaign.record_bounce('grace@example.com', :'job'), campaign.record_complaint('grace@example.com', :'job');
select results_eq('select event_type, recipient_key, metadata from campaign.email_events where event_type <> ''sent'' order by event_type',
  $$ values ('bounce', '2', '{}'::jsonb), ('complaint', '2', '{"detail": "abuse"}') $$, 'is recorded once, beside a bounce');
select results_eq('select email, reason from campaign.suppressions', $$ values ('grace@example.com', 'complaint') $$, 'it is the reason');
update campaign.suppressions set reason = 'bounce';
select results_eq('select suppressed, recorded from campaign.record_complaint(''grace@example.com'')', 'values (false, false)', 'an address that is suppressed');
select results_eq('select email, reason from campaign.suppressions', $$ values ('grace@example.com', 'complaint') $$, 'a complaint outranks every other reason');
select results_eq('select complaints, bounces from campaign.campaign_stats', 'values (1::bigint, 1::bigint)', 'both are counted');
select refused($$ select campaign.record_complaint() $$, 'CP008', '{complaint,email,message_id}', 'nobody');

select * from finish();
rollback;
