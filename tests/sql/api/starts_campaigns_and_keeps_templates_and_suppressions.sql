begin;
\ir ../_fixtures.sql
select plan(17);

select campaign._api_start('{"segment": "guests", "template_id": "thanks"}') -> 'job' as job \gset
select bag_eq(format('select * from jsonb_object_keys(%L::jsonb)', :'job'), $$ values ('id'), ('status'), ('total_contacts'), ('sent_count'), ('created_at') $$, 'a campaign is started');
select is((:'job'::jsonb ->> 'total_contacts') || (:'job'::jsonb ->> 'status'), '3pending', 'for everybody');
select is(j.subject || j.on_uncertain || (j.config ->> 'chunk_size') || j.scheduled_at || j.dedupe_key, 'Hello' || 'resend' || '7' || '2026-03-01 00:00:00+00'::timestamptz || 'k', 'with what was asked for')
from campaign.email_jobs j
where j.id = (campaign._api_start('{"segment": "guests", "template_id": "thanks", "subject": "Hello", "on_uncertain": "resend", "config": {"chunk_size": 7}, "scheduled_at": "2026-03-01T00:00:00Z",
  "dedupe_key": "k", "allow_repeat": true, "integration": "relay"}') #>> '{job,id}')::uuid;
select is(campaign._api_start('{"segment": "guests", "template_id": "thanks", "dedupe_key": "x", "idempotency_key": "i"}') #>> '{job,id}',
  campaign._api_start('{"segment": "guests", "template_id": "thanks", "dedupe_key": "x", "idempotency_key": "i"}') #>> '{job,id}', 'once for each key');
select refused($$ select campaign._api_start('{"segment": "guests", "template_id": "thanks"}') $$, 'CP007', '{}', 'refused as by start_campaign');
select refused($$ select campaign._api_start('{"segment": "custom", "template_id": "thanks", "audience_query": "select 1"}') $$, 'CP003', '{}', 'SQL is nothing that it reads');

select is(campaign._api_create_template('{"name": "N", "slug": "n", "subject": "S", "html": "<p>{{city}}</p>", "text": null, "variables": ["city"]}') #> '{template,variables}', '["city"]', 'a template is kept');
select is(campaign._api_template('n') #>> '{template,html}', '<p>{{city}}</p>', 'and told');
select is(campaign._api_templates(1, null) - 'templates', '{"next_cursor": "n"}', 'templates are listed by slug');
select is(campaign._api_templates(1, 'n') #>> '{templates,0,slug}', 'thanks', 'page by page');
select is(campaign._api_update_template('n', '{"name": "N", "slug": "n", "subject": "S", "html": "<p>x</p>", "text": "x", "variables": []}') #>> '{template,version}', '2', 'a change makes a version');
select refused($$ select campaign._api_update_template('m', '{"name": "N", "slug": "n", "subject": "S", "html": "<p>x</p>"}') $$, 'CP002', '{}', 'of what is there');
select is(campaign._api_preview('n', null, null), '{"subject": "S", "html": "<p>x</p>", "text": "x"}', 'it is shown');
select is(campaign._api_preview_draft('{"subject": "S {{first_name}}", "html": "<p>{{x}}</p>", "variables": ["x"], "vars": {"x": "<", "first_name": "F"}}') - 'text', '{"subject": "S F", "html": "<p>&lt;</p>"}', 'one that is not kept, too');
select refused($$ select campaign._api_preview_draft('{"subject": "S", "html": "<p>{{x}}</p>"}') $$, 'CP009', '{the draft,line 1}', 'unless it has a fault');

select is(campaign._api_suppress(' ADA@example.com ', null) #- '{suppression,created_at}', '{"created": true, "suppression": {"email": "ada@example.com", "reason": "manual"}}', 'an address gets no mail');
select is(campaign._api_suppress('ada@example.com', 'bounce') #- '{suppression,created_at}', '{"created": false, "suppression": {"email": "ada@example.com", "reason": "manual"}}', 'twice is as good as once');
select campaign._api_unsuppress('Ada@example.com');
select is(campaign._api_suppressions(null, null), '{"suppressions": [], "next_cursor": null}', 'and may get mail again');

select * from finish();
rollback;
