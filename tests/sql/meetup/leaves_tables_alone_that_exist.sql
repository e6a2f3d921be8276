begin;
\ir ../_fixtures.sql
\ir ../_meetup.sql
select plan(2);

\ir ../../../sql/meetup/010_tables.sql
\ir ../../../sql/meetup/020_event_check.sql
\ir ../../../sql/meetup/030_on_sent.sql
\ir ../../../sql/meetup/040_segments.sql
select is((select count(*) from public.attendees), 5::bigint, 'the script may run again');
select results_eq('select name from campaign.segments where on_sent is not null order by name', $$ values ('checked-in'), ('custom'), ('no-show'), ('waitlist') $$, 'each segment is there once');

select * from finish();
rollback;
