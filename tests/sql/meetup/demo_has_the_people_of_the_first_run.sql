-- The people come in a transaction of their own.
set client_min_messages = warning;
\ir ../../../sql/meetup/010_tables.sql
\ir ../../../sql/meetup/020_event_check.sql
\ir ../../../sql/meetup/030_on_sent.sql
\ir ../../../sql/meetup/040_segments.sql
\ir ../../../sql/meetup/demo/010_people.sql
begin;
\ir ../_fixtures.sql
select plan(4);

select results_eq(
  $$ select s.segment, j.total_contacts, j.excluded
     from unnest('{checked-in,waitlist,no-show}'::text[]) s (segment)
     cross join lateral campaign.start_campaign(s.segment, 'thanks', (select id from public.events)) j $$,
  $$ values ('checked-in', 62::bigint, '{}'::jsonb), ('waitlist', 33, '{}'), ('no-show', 86, '{}') $$,
  '62 came, 33 waited, 86 did not come, and everybody can be mailed');
select play_runner();
select results_eq('select email_type, count(*) from public.attendees where email_sent group by email_type order by email_type',
  $$ values ('checked-in', 62::bigint), ('no-show', 86), ('waitlist', 33) $$, 'all 181 are marked with their mail');
select results_eq('select status, count(*), sum(sent_count) from campaign.email_jobs group by status', $$ values ('completed', 3::bigint, 181::numeric) $$, 'the campaigns are completed');
select is_empty($$ select j.segment, c.* from campaign.email_jobs j cross join lateral campaign.check_campaign(j.id) c where not c.holds $$, 'their books are true');

select * from finish();
rollback;
