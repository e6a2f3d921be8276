begin;
\ir ../_fixtures.sql
select plan(4);

delete from public.guest where id > 1;
insert into campaign.suppressions (email) values ('ada@example.com');
select refused($$ select campaign.start_campaign('guests', 'thanks') $$, 'CP006', '{guests,1 suppressed,event_id}', 'nobody is left: it says who was left out');
delete from public.guest;
select refused($$ select campaign.start_campaign('guests', 'thanks') $$, 'CP006', '{nobody}', 'the segment is empty');
select refused($$ select campaign.start_campaign('custom', 'thanks', audience_query => 'select ''1'' as recipient_key, ''x'' as email, ''{}''::jsonb as vars') $$,
  'CP006', '{1 invalid,audience_keys,audience_query}', 'of a custom audience the hint says how it is given');
select is_empty('select from campaign.email_jobs', 'there is no campaign without recipients');

select * from finish();
rollback;
