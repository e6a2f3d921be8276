begin;
\ir ../_fixtures.sql
\ir ../_meetup.sql
select plan(5);

update public.attendees set email_sent = true, email_sent_at = '2026-01-01', email_type = 'waitlist' where id = 12;
select job_no from campaign.start_campaign('checked-in', 'thanks', :'event') \gset
\set runner 00000000-0000-4000-8000-000000000001
\set marks 'select id, email_sent, email_sent_at, email_type from public.attendees where id in (11, 12) order by id'
select campaign.register_runner(:'runner', 'host', 1, '0.1.0', 1);
select chunk_no, epoch from campaign.claim_chunks(:'runner', 1, '[]') \gset
select campaign.report(:'runner', format('[{"job_no": %s, "chunk_no": %s, "epoch": %s, "next_mark": 2}]', :job_no, :chunk_no, :epoch)::jsonb);
select results_eq(:'marks', $$ values (11, false, null::timestamptz, null::text), (12, true, '2026-01-01', 'waitlist') $$, 'not before the mail is accepted');

savepoint before_the_outcome;
select campaign.report(:'runner', format(
  '[{"job_no": %s, "chunk_no": %s, "epoch": %s, "outcomes": [{"pos": 1, "outcome": "sent", "phase": "dot", "code": 250}, {"pos": 2, "outcome": "failed", "phase": "rcpt", "code": 550}]}]',
  :job_no, :chunk_no, :epoch)::jsonb);
select results_eq(:'marks', $$ values (11, true, timestamptz '2026-02-26 18:00+00', 'checked-in'), (12, true, '2026-01-01', 'waitlist') $$,
  'whose mail was accepted is marked when report returns, nobody else');
rollback to savepoint before_the_outcome;
select results_eq(:'marks', $$ values (11, false, null::timestamptz, null::text), (12, true, '2026-01-01', 'waitlist') $$, 'and the mark goes with the outcome when that is undone');

select play_runner();
select id as job from campaign.start_campaign('custom', 'thanks', :'event', audience_keys => '{14}') \gset
select play_runner();
select results_eq('select email_sent, email_sent_at, email_type from public.attendees where id = 14', $$ values (true, timestamptz '2026-02-26 18:00+00', null::text) $$,
  'a custom mail has no type');
select is((select status from campaign.email_jobs where id = :'job'), 'completed', 'all is done');

select * from finish();
rollback;
