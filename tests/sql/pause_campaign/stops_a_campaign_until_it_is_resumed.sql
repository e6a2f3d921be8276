begin;
\ir ../_fixtures.sql
select plan(8);

select id as job from campaign.start_campaign('guests', 'thanks') \gset

select results_eq(format('select status, status_reason from campaign.pause_campaign(%L, ''the venue has burnt down'')', :'job'),
  $$ values ('paused', 'the venue has burnt down') $$, 'it keeps the reason');
select play_runner();
select results_eq(format('select status, sent_count from campaign.email_jobs where id = %L', :'job'), $$ values ('paused', 0::bigint) $$, 'nothing is sent meanwhile');
select results_eq(format('select status, status_reason from campaign.pause_campaign(%L, ''another'')', :'job'),
  $$ values ('paused', 'the venue has burnt down') $$, 'pausing again changes nothing');

select results_eq(format('select status, status_reason from campaign.resume_campaign(%L)', :'job'), $$ values ('pending', null::text) $$, 'resumed, it waits for a runner');
select play_runner();
select results_eq(format('select status, sent_count from campaign.email_jobs where id = %L', :'job'), $$ values ('completed', 3::bigint) $$, 'and goes on');
select refused(format('select campaign.pause_campaign(%L)', :'job'), 'CP011', '{completed}', 'what has ended cannot be paused');
select refused($$ select campaign.pause_campaign('00000000-0000-4000-8000-00000000000f') $$, 'CP001', '{00000000-0000-4000-8000-00000000000f}', 'an unknown campaign');

select id as unexplained from campaign.start_campaign('guests', 'thanks', allow_repeat => true) \gset
select is((select status_reason from campaign.pause_campaign(:'unexplained')), 'paused by ' || session_user, 'without a reason it says who');

select * from finish();
rollback;
