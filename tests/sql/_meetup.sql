-- The application's side: two events, four attendees. Included after _fixtures.sql.
\ir ../../sql/meetup/010_tables.sql
\ir ../../sql/meetup/020_event_check.sql
\ir ../../sql/meetup/030_on_sent.sql
\ir ../../sql/meetup/040_segments.sql

\set event 00000000-0000-4000-8000-00000000000e
\set other_event 00000000-0000-4000-8000-00000000000d
insert into public.events (id, name, date) values (:'event', 'Meetup', '2026-02-26 18:00+00'), (:'other_event', 'Other', '2026-03-26 18:00+00');
insert into public.attendees (id, name, first_name, email) values
  (11, 'Zoë Came', 'Zoë', 'zoe@example.com'),
  (12, 'Max Mustermann', null, 'max@example.com'),
  (13, 'Ivy Stayed', 'Ivy', 'ivy@example.com'),
  (14, 'Bo Waited', 'Bo', 'bo@example.com'),
  (15, 'Kim Declined', 'Kim', 'kim@example.com');
insert into public.event_attendees (event_id, attendee_id, status, checked_in) values
  (:'event', 12, 'approved', true),
  (:'event', 11, 'approved', true),
  (:'event', 13, 'approved', false),
  (:'event', 14, 'waitlist', false),
  (:'event', 15, 'declined', false),
  (:'other_event', 13, 'approved', true);
