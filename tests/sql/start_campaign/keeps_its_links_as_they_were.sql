begin;
\ir ../_fixtures.sql
select plan(17);

select refused($$ select campaign.start_campaign('guests', 'thanks', track_opens => true) $$, 'CP008', '{public_url,https://mail.example.com,track_opens}', 'opens cannot be tracked without a public_url');
select refused($$ select campaign.start_campaign('guests', 'thanks', track_clicks => true) $$, 'CP008', '{public_url,https://mail.example.com,track_clicks}', 'nor clicks');
select results_eq($$ select public_url, signing_key_id, track_opens, track_clicks from campaign.start_campaign('guests', 'thanks', track_opens => null, track_clicks => false) $$,
  'values (null::text, null::integer, false, false)', 'without one there are no links');
select is_empty('select from campaign.signing_key', 'nor a key');
insert into campaign.email_templates (name, slug, subject, html) values ('Bye', 'bye', 'Hi', '<a href="{{unsubscribe_url}}">No more</a>');
select refused(format('select campaign.%s_campaign(''guests'', ''bye'')', v), 'CP008', '{bye,unsubscribe_url,public_url,https://mail.example.com}', v || ': nor can a mail show where to unsubscribe') from unnest('{start,plan}'::text[]) v;

insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com');
select results_eq(format('select total_contacts from campaign.%s_campaign(''guests'', ''bye'', allow_repeat => true)', v), 'values (3::bigint)', v || ': of the audience unsubscribe_url is not asked') from unnest('{plan,start}'::text[]) v;
select results_eq($$ select public_url, signing_key_id, track_opens, track_clicks from campaign.start_campaign('guests', 'thanks', allow_repeat => true) $$,
  $$ values ('https://mail.example.com', 1, false, false) $$, 'with one there are, to unsubscribe, and nothing is tracked unasked');
select results_eq($$ select public_url, signing_key_id, track_opens, track_clicks from campaign.start_campaign('guests', 'thanks', allow_repeat => true, track_opens => true) $$,
  $$ values ('https://mail.example.com', 1, true, false) $$, 'opens');
select results_eq($$ select public_url, signing_key_id, track_opens, track_clicks from campaign.start_campaign('guests', 'thanks', allow_repeat => true, track_clicks => true, scheduled_at => '2026-03-01') $$,
  $$ values ('https://mail.example.com', 1, false, true) $$, 'clicks, later');
create temporary table before as select job_no, public_url, signing_key_id from campaign.email_jobs;
update campaign.setting set value = 'https://other.example.com' where name = 'public_url';
select campaign.rotate_signing_key();
select set_eq('select job_no, public_url, signing_key_id from campaign.email_jobs', 'select * from before', 'a campaign keeps what it started with');
delete from campaign.setting where name = 'public_url';
select set_eq('select job_no, public_url, signing_key_id from campaign.email_jobs', 'select * from before', 'whatever is set later');

select throws_ok('update campaign.email_jobs set signing_key_id = null', '23514', null, 'no links without a key');
select throws_ok('update campaign.email_jobs set public_url = null, signing_key_id = null', '23514', null, 'no tracking without links');
select throws_ok('delete from campaign.signing_key', '23503', null, 'no key is deleted that campaigns need');
select throws_ok('insert into campaign.signing_key (secret) values (''short'')', '23514', null, 'no key is weak');

select * from finish();
rollback;
