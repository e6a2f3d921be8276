begin;
\ir ../_fixtures.sql
\ir ../_meetup.sql
select plan(4);

select id as job from campaign.start_campaign('checked-in', 'thanks', :'event') \gset
select play_runner('{"outcome": "uncertain", "phase": "dot"}');
select is((select count(*) from public.attendees where email_sent), 0::bigint, 'who is uncertain is not marked');
select status from campaign.resolve_uncertain(:'job', 'sent', array['zoe@example.com']) \gset
select results_eq('select id from public.attendees where email_sent', $$ values (11) $$, 'whom a person counts as sent is');

select id as job from campaign.start_campaign('no-show', 'thanks', :'event', on_uncertain => 'assume_sent') \gset
select play_runner('{"outcome": "uncertain", "phase": "dot"}');
select is((select sent_count from campaign.email_jobs where id = :'job'), 1::bigint, 'a campaign that assumes so counts it as sent');
select results_eq('select id, email_type from public.attendees where email_sent order by id', $$ values (11, 'checked-in'), (13, 'no-show') $$, 'and marks it, too');

select * from finish();
rollback;
