begin;
\ir ../_fixtures.sql
insert into campaign.suppressions (email) values ('alan@example.com');
insert into campaign.email_templates (name, slug, subject, html) values ('Again', 'again', 'Hi', '<p>Hi</p>');
insert into campaign.segments (name, query)
values ('chosen', $$ select g.id::text as recipient_key, g.email, '{"name": "N", "first_name": "F"}'::jsonb as vars from public.guest g where g.id::text = any ($2) $$);
select plan(7);

select is(campaign._api_segment_count('guests', null, null, null), '{"segment": "guests", "unsent": 2, "excluded": {"suppressed": 1}}', 'as start_campaign would');
select is(campaign._api_segment_count('guests', null, 'thanks', null), '{"segment": "guests", "unsent": 2, "excluded": {"suppressed": 1}}', 'with a template, too');
select is(campaign._api_segment_count('chosen', null, null, '{1,3,x}'), '{"segment": "chosen", "unsent": 1, "excluded": {"suppressed": 1}}', 'of those whose keys are given');
select is(campaign._api_segment_count('chosen', null, null, null), '{"segment": "chosen", "unsent": 0, "excluded": {}}', 'or nobody');
select campaign.start_campaign('guests', 'thanks');
select is(campaign._api_segment_count('guests', null, 'thanks', null), '{"segment": "guests", "unsent": 0, "excluded": {"suppressed": 1, "already_mailed": 2}}', 'who has the mail is not counted');
select is(campaign._api_segment_count('guests', null, 'again', null), '{"segment": "guests", "unsent": 2, "excluded": {"suppressed": 1}}', 'but for another template');
select is(campaign._api_segment_count('guests', null, null, null), '{"segment": "guests", "unsent": 0, "excluded": {"suppressed": 1, "already_mailed": 2}}', 'without one, any mail counts');

select * from finish();
rollback;
