begin;
\ir ../_fixtures.sql
select plan(5);

create temporary table started as select * from campaign.start_campaign('guests', 'thanks');

select results_eq(
  $$ select status, subject, template_version, chunk_size, on_uncertain, total_contacts, cursor, excluded, errors, event_id, audience_frozen
     from started $$,
  $$ values ('pending', 'Thanks, {{first_name}}!', 1, 500, 'hold', 3::bigint, 0::bigint, '{}'::jsonb, '[]'::jsonb, null::uuid, true) $$,
  'a campaign needs a segment and a template only');
select is((select config from started), '{"concurrency": 3, "chunk_size": 500, "max_retries": 3, "rate_limit": null, "time_limit": "24 hours"}', 'config has its defaults');
select results_eq(
  $$ select i.name, t.slug, s.dedupe_key = '-/guests/' || t.id, s.created_at, s.created_by = session_user
     from started s
     join campaign.email_integrations i on i.id = s.integration_id
     join campaign.email_templates t on t.id = s.template_id $$,
  $$ values ('relay', 'thanks', true, timestamptz '2026-02-26 18:00+00', true) $$,
  'default relay, dedupe key of event, segment and template, time and person');
update campaign.email_integrations set max_connections = 7;
select is((select config ->> 'concurrency' from campaign.start_campaign('guests', 'thanks', allow_repeat => true)), '7', 'a campaign uses the connections that its relay allows');
select is((select config ->> 'concurrency' from campaign.start_campaign('guests', 'thanks', allow_repeat => true, config => '{"concurrency": 2}')), '2', 'or fewer');

select * from finish();
rollback;
