-- A whole campaign whose segment, relay, keys, addresses, values and headers are hostile.
begin;
\ir ../_fixtures.sql

create table public.canary (n integer);
insert into public.canary values (1);
create role canary;
create table public.told (segment text, keys text[]);
create schema "x' drop table public.canary --";
create function "x' drop table public.canary --"."f"" drop role canary %I --"(uuid, text, text[]) returns void language sql security definer as $$
  insert into public.told values ($2, $3)
$$;
create function "x' drop table public.canary --".event_exists(uuid) returns boolean language sql security definer as 'select true';
grant usage on schema "x' drop table public.canary --" to campaign_owner;

create temporary table hostile as
select n, value
from unnest(array[
  '''; drop table public.canary; --', '"; drop table public.canary; --', '$$; drop table public.canary; --', '\''; drop table public.canary; --', 'x'') ; delete from public.canary; --',
  '%s %I %L %1$s', '{{ 7*7 }}', '$1', '\', E'a\r\nBcc: eve@example.com', repeat('''', 5000), E'\u2019 or 1=1 --']) with ordinality as t (value, n);
grant select on hostile to public;
select plan(21);

select throws_ok(format('insert into campaign.email_templates (name, slug, subject, html) values (%L, %L, ''Hi'', ''Hi'')', value, value), 'CP008', null, 'no slug: ' || left(value, 30)) from hostile where n in (1, 10);
select refused(format('update campaign.segments set on_sent = %L', value), 'CP008', '{}', 'no function: ' || left(value, 30)) from hostile where n in (1, 2, 5);
select refused(format('insert into campaign.setting (name, value) values (''event_check'', %L)', value), 'CP008', '{}', 'no function: ' || left(value, 30)) from hostile where n in (1, 2, 5);
select throws_ok(format('insert into campaign.setting (name, value) values (%L, ''x'')', value), null, null, 'no setting: ' || left(value, 30)) from hostile where n = 1;

select throws_ok(format('insert into campaign.smtp_rules (code, verdict, class) values (%L, ''fail'', %L)', value, value), 'CP008', null, 'no rule: ' || left(value, 30)) from hostile where n in (1, 5);
insert into campaign.smtp_rules (reply, verdict, class, advice, note) select regexp_replace(left(value, 400), '(\W)', '\\\1', 'g'), 'fail', 'x', value, value from hostile where n in (1, 2, 3, 4, 7, 8);
insert into campaign.setting (name, value) values ('event_check', format('%I.event_exists', 'x'' drop table public.canary --'));
update campaign.email_integrations set is_default = false;
insert into campaign.email_integrations (name, config)
select value, jsonb_build_object('host', value, 'port', 25, 'from_email', 'a@example.com', 'username', value, 'password', value) from hostile;
insert into campaign.email_templates (name, slug, subject, html, text)
select left(value, 200), 'h' || n, 'Hi {{ first_name }}', '<p>{{ name }} {{ "' || 'x' || '" }}</p>', '{{ name }}' from hostile;
insert into campaign.segments (name, description, query, on_sent)
select value, value, 'select h.value as recipient_key, ''p'' || h.n || ''@example.com'' as email, jsonb_build_object(''name'', h.value, ''first_name'', h.value) as vars from pg_temp.hostile h',
  format('%I.%I', 'x'' drop table public.canary --', 'f" drop role canary %I --')
from hostile;

set local role campaign_admin;
create temporary table started as
select h.n, j.id, j.job_no
from hostile h
cross join lateral campaign.start_campaign(h.value, 'h' || h.n, integration => h.value, event_id => '00000000-0000-4000-8000-00000000000e',
  idempotency_key => left(h.value, 200), dedupe_key => left(h.value, 200)) j;
select is((select count(*) from started), 12::bigint, 'each segment, template and relay is found by its name');
select lives_ok('select campaign.pause_campaign(id, value), campaign.resume_campaign(id) from started join hostile using (n)', 'pauses, resumes');
reset role;
select play_runner();
select is((select count(*) from campaign.email_jobs where status = 'completed' and sent_count = 12), 12::bigint, 'each campaign is sent');
select set_eq('select segment, sum(cardinality(keys))::integer from public.told group by segment', 'select value, 12 from hostile', 'the function with the hostile name is told of each');
select set_eq('select unnest(keys) from public.told', 'select value from hostile', 'of keys as they are');

select is((select array_agg(p.subject order by h.n) from hostile h cross join lateral campaign.preview('h' || h.n, 'ada@example.com', jsonb_build_object('name', h.value, 'first_name', h.value)) p
  where h.n in (7, 10)), array['Hi {{ 7*7 }}', 'Hi a Bcc: eve@example.com'], 'a value is no template, and a subject is one line');
select refused(format('select campaign.start_campaign(''guests'', ''thanks'', config => %L)', jsonb_build_object(k, case k when 'headers' then to_jsonb(jsonb_build_object('X-A', E'1\r\nBcc: eve@example.com')) else to_jsonb(E'a\r\nBcc: eve@example.com'::text) end)),
  'CP008', '{}', 'no second header by ' || k) from unnest('{from_name,reply_to,headers}'::text[]) k;

select is((select count(*) from public.canary), (select count(*) from pg_roles where rolname = 'canary'), 'the canaries live');

select * from finish();
rollback;
