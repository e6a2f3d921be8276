begin;
\ir ../_fixtures.sql
select plan(6);

select job_no as without from campaign.start_campaign('guests', 'thanks') \gset
insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com');
select job_no as untracked from campaign.start_campaign('guests', 'thanks', allow_repeat => true) \gset
select job_no as tracked from campaign.start_campaign('guests', 'thanks', allow_repeat => true, track_clicks => true) \gset
update campaign.setting set value = 'https://other.example.com' where name = 'public_url';

select is(campaign.job_spec(:without) -> 'links', 'null', 'a campaign without public_url has none');
select is(campaign.job_spec(:without) -> 'message' -> 'public_url', 'null', 'nor says where they would begin');
select is(campaign.job_spec(:untracked) -> 'message' -> 'public_url', '"https://mail.example.com"', 'where they begin is as it was at the start');
select is((campaign.job_spec(:untracked) -> 'links') - 'key', '{"key_id": 1, "track_opens": false, "track_clicks": false}', 'a campaign that tracks nothing has the link to unsubscribe');
select is(campaign.job_spec(:tracked) -> 'links',
  (select jsonb_build_object('key_id', k.key_id, 'key', encode(k.secret, 'hex'), 'track_opens', false, 'track_clicks', true) from campaign.signing_key k),
  'what is tracked is said, and the key that signs');
select is(campaign.job_spec(:tracked) -> 'message' -> 'segment', '"guests"', 'mailbox providers are told the segment');

select * from finish();
rollback;
