begin;
\ir ../_fixtures.sql
select plan(3);

select id as job from campaign.start_campaign('guests', 'thanks') \gset
select play_runner();
set local search_path = campaign, public;

prepare report as
SELECT j.id, j.sent_count,
  COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')  AS unique_opens,
  COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click') AS unique_clicks,
  ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')::numeric  / j.sent_count * 100, 1) AS open_rate,
  ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click')::numeric / j.sent_count * 100, 1) AS click_rate
FROM email_jobs j LEFT JOIN email_events e ON e.job_id = j.id
GROUP BY j.id;

select results_eq('report', format('values (%L::uuid, 3::bigint, 0::bigint, 0::bigint, 0.0, 0.0)', :'job'), 'verbatim, with campaign on the search_path');
select results_eq(
  'select attendee_id, recipient_key, event_type, metadata, created_at from email_events where job_id is not null order by attendee_id',
  $$ select g, g::text, 'sent', '{"smtp_code": 250}'::jsonb, timestamptz '2026-02-26 18:00+00' from generate_series(1::bigint, 3) g $$,
  'each accepted mail is an event of its attendee');

select start_campaign('custom', 'thanks', dedupe_key => 'b', audience_query =>
  'select ''key-'' || id as recipient_key, email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.guest where id = 1');
select play_runner('{"outcome": "failed", "phase": "rcpt", "code": 550, "enhanced": "5.1.1", "detail": "no such user"}');
select results_eq('select attendee_id, recipient_key, metadata from email_events where event_type = ''bounce''',
  $$ values (null::bigint, 'key-1', '{"smtp_code": 550, "enhanced_code": "5.1.1", "reply": "no such user"}'::jsonb) $$,
  'a permanent refusal is a bounce; a key that is no number is no attendee_id');

select * from finish();
rollback;
