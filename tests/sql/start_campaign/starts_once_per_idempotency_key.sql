begin;
\ir ../_fixtures.sql
select plan(21);

insert into campaign.email_templates (name, slug, subject, html) values ('Other', 'other', 'Hello', '<p>Hello</p>');
insert into campaign.email_integrations (name, config) values ('second', '{"host": "127.0.0.1", "port": 2526, "from_email": "hello@meetups.example"}');
insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com');
update campaign.segments set query = replace(query, 'order by', 'where $2 is null or g.id::text = any ($2) order by');
create temporary table first as select * from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1');

select is((select id from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1')), (select id from first), 'the same key gives the same campaign');
select play_runner();
select results_eq($$ select id, status from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1') $$,
  $$ select id, 'completed' from first $$, 'after its end too, as it is now');
select is((select count(*) from campaign.email_jobs), 1::bigint, 'there is one campaign');
select refused($$ select campaign.start_campaign('guests', 'other', idempotency_key => 'k1') $$, 'CP012', array[(select id::text from first), 'guests', 'new key'],
  'the key of another campaign is refused, and the campaign named');
select refused(format($$ select campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1', %s) $$, other), 'CP012', '{new key}', 'and of one with another ' || split_part(other, ' ', 1))
from (values ($$event_id => '00000000-0000-4000-8000-00000000000f'$$), ($$subject => 'Hello'$$), ($$subject => '{{'$$), ($$config => '{"chunk_size": 7}'$$),
  ($$config => '{"nonsense": 77}'$$), ($$integration => 'second'$$), ($$audience_keys => '{1}'$$), ($$audience_query => 'select 1'$$), ($$scheduled_at => '2026-03-01'$$),
  ($$on_uncertain => 'resend'$$), ($$track_opens => true$$), ($$track_clicks => true$$), ($$dedupe_key => 'd'$$), ($$allow_repeat => true$$)) o (other);

select id from campaign.start_campaign('guests', 'thanks', config => '{"max_retries": 2, "headers": {"X-A": "1", "X-B": "2"}}', audience_keys => '{1,2}', scheduled_at => '2026-03-01 00:00+00',
  dedupe_key => 'd', idempotency_key => 'k2') \gset
set local timezone = 'Asia/Tokyo';
select is((select j.id from campaign.start_campaign('guests', 'thanks', config => '{"headers": {"X-B": "2", "X-A": "1"}, "max_retries": 2}', audience_keys => '{1,2}', scheduled_at => '2026-03-01 09:00+09',
  dedupe_key => 'd', idempotency_key => 'k2') j), :'id'::uuid, 'the same arguments written otherwise are the same');
select refused($$ select campaign.start_campaign('guests', 'thanks', config => '{"max_retries": 2, "headers": {"X-A": "1", "X-B": "2"}}', audience_keys => '{1,3}', scheduled_at => '2026-03-01 00:00+00',
  dedupe_key => 'd', idempotency_key => 'k2') $$, 'CP012', '{new key}', 'a second list of people is not taken for the first');
select is((campaign._api_start('{"segment": "guests", "template_id": "thanks", "idempotency_key": "k1"}') #>> '{job,id}')::uuid, (select id from first), 'nor does it matter who asks in which way');

select * from finish();
rollback;
