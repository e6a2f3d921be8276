-- A notification is heard by another client, after the commit.
begin;
select plan(1);

select replace($$
set client_min_messages = error;
insert into campaign.email_integrations (name, config, is_default) values ('relay', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true);
insert into campaign.email_templates (name, slug, subject, html) values ('Hi', 'hi', 'Hi', '<p>Hi</p>');
insert into campaign.segments (name, query) values ('one', 'select ''1'' as recipient_key, ''a@example.com'' as email, null::jsonb as vars');
$$, E'\n', ' ') as prepare \gset
\set heard `psql -X -q -t -A -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c :'prepare' -c 'listen campaign_wake' -c "select 'start' from campaign.start_campaign('one', 'hi')" -c "select 'pause' from campaign.pause_campaign((select id from campaign.email_jobs))" -c "select 'resume' from campaign.resume_campaign((select id from campaign.email_jobs))" -c "select 'retry' from campaign.retry_failed((select id from campaign.email_jobs))" -c "select 'resolve' from campaign.resolve_uncertain((select id from campaign.email_jobs), 'sent')" -c "select 'test' from campaign.send_test('hi', 'b@example.com')" -c "select 'relay' from campaign.test_integration()" -c "select 'cancel' from campaign.cancel_campaign((select id from campaign.email_jobs))" 2>/dev/null`
select is(
  (select string_agg(split_part(line, ' ', 1), ' ' order by n) from regexp_split_to_table(:'heard', E'\n') with ordinality as t (line, n) where line <> ''),
  'start Asynchronous pause Asynchronous resume Asynchronous retry Asynchronous resolve Asynchronous test Asynchronous relay Asynchronous cancel Asynchronous',
  'each verb that gives runners something to do, or to leave, wakes them');

select * from finish();
rollback;
