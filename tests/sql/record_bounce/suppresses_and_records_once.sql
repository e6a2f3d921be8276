begin;
\ir ../_fixtures.sql
select plan(19);

select id as job, job_no, replace(id::text, '-', '') as hex from campaign.start_campaign('guests', 'thanks') \gset
select id as other from campaign.start_campaign('guests', 'thanks', allow_repeat => true) \gset
select play_runner();
create function all_events() returns text language sql as $$
  select coalesce(string_agg(concat_ws(' ', e.recipient_key, e.event_type, e.metadata), ', ' order by e.created_at, e.recipient_key, e.event_type), 'nothing')
  from campaign.email_events e where e.event_type <> 'sent'
$$;

select results_eq(format('select * from campaign.record_bounce(message_id => ''<%s.1@meetups.example>'', detail => ''5.1.1 no such user'')', :'hex'),
  format('values (''ada@example.com'', true, %L::uuid, true)', :'job'), 'a Message-ID names campaign and recipient');
select results_eq('select email, reason from campaign.suppressions', $$ values ('ada@example.com', 'bounce') $$, 'who gets no mail any more');
select is(all_events(), '1 bounce {"detail": "5.1.1 no such user"}', 'and the campaign shows it');
select results_eq(format('select * from campaign.record_bounce(message_id => '' %s.1@elsewhere'', detail => ''again'')', upper(:'hex')),
  format('values (''ada@example.com'', false, %L::uuid, false)', :'job'), 'once');
select is(all_events(), '1 bounce {"detail": "5.1.1 no such user"}', 'however often it is told');

select results_eq(format('select * from campaign.record_bounce(''GRACE@example.com'', %L)', :'job'), format('values (''grace@example.com'', true, %L::uuid, true)', :'job'), 'address and campaign name the recipient');
select results_eq('select * from campaign.record_bounce(''alan@example.com'')', $$ values ('alan@example.com', true, null::uuid, false) $$, 'the address alone is suppressed, of whichever campaign it was');
select results_eq(format('select * from campaign.record_bounce(''eve@example.com'', %L)', :'job'), $$ values ('eve@example.com', true, null::uuid, false) $$, 'as is who is not in the campaign');
select results_eq('select * from campaign.record_bounce(''bob@example.com'', message_id => ''<0100019a@amazonses.example>'')', $$ values ('bob@example.com', true, null::uuid, false) $$, 'a Message-ID that is not ours says nothing');
select results_eq(format('select * from campaign.record_bounce(''forwarded@elsewhere.example'', message_id => ''<%s.3@meetups.example>'')', :'hex'),
  format('values (''alan@example.com'', false, %L::uuid, true)', :'job'), 'one that is ours outranks the address: mail is forwarded');
select is((select count(*) from campaign.suppressions where email like 'forwarded%'), 0::bigint, 'which is not suppressed');
select results_eq(format('select * from campaign.record_bounce(''ada@example.com'', %L)', :'other'), format('values (''ada@example.com'', false, %L::uuid, true)', :'other'), 'each campaign has its own');
select is((select bounces from campaign.campaign_stats where id = :'job'), 3::bigint, 'they are counted');

select refused($$ select campaign.record_bounce() $$, 'CP008', '{email,message_id}', 'nobody');
select refused($$ select campaign.record_bounce(message_id => '<1@b>') $$, 'CP008', '{"not that of a mail of a campaign",email}', 'a Message-ID of somebody else''s mail');
select refused($$ select campaign.record_bounce('no address') $$, 'CP008', '{"not an address"}', 'no address');
select refused(format('select campaign.record_bounce(message_id => ''<%s.4@b>'')', :'hex'), 'CP008', '{"no recipient 4","3 recipients"}', 'a recipient whom there is not');
select refused(format('select campaign.record_bounce(job => %L, message_id => ''<%s.1@b>'')', :'other', :'hex'), 'CP008', '{not of,Message-ID}', 'two campaigns');
select refused(s, 'CP001', '{"there is no campaign"}', 'an unknown campaign: ' || s) from unnest(array['select campaign.record_bounce(''ada@example.com'', ''00000000-0000-4000-8000-00000000000f'')']) s;

select * from finish();
rollback;
