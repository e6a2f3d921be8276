begin;
\ir ../_fixtures.sql
\ir ../_meetup.sql
select plan(2);

select refused($$ select campaign.start_campaign('waitlist', 'thanks', '00000000-0000-4000-8000-00000000000f') $$, 'CP005', '{00000000-0000-4000-8000-00000000000f}', 'no such event');
select refused($$ select campaign.start_campaign('waitlist', 'thanks', '00000000-0000-4000-8000-00000000000d') $$, 'CP006', '{waitlist,event_id}', 'an event where nobody waited');

select * from finish();
rollback;
