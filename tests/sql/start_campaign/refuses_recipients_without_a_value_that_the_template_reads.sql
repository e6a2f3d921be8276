begin;
\ir ../_fixtures.sql
select plan(4);

insert into campaign.email_templates (name, slug, subject, html, variables)
values ('City', 'city', 'Hello', '<p>{{name}} in {{city}}</p>', '{city,unused}');
select refused($$ select campaign.start_campaign('guests', 'city') $$, 'CP009', '{city,3 of 3 recipients,segment}', 'a declared variable that nobody has');
select refused($$ select campaign.start_campaign('custom', 'city', audience_query =>
    'select id::text as recipient_key, email, jsonb_build_object(''name'', name, ''city'', case id when 2 then null else ''Madrid'' end) as vars from public.guest') $$,
  'CP009', '{city,1 of 3 recipients}', 'a JSON null is no value');
select refused($$ select campaign.start_campaign('custom', 'city', audience_query =>
    'select id::text as recipient_key, email, null::jsonb as vars from public.guest') $$,
  'CP009', '{"city, name"}', 'all that are lacking are named');
select lives_ok($$ select campaign.start_campaign('custom', 'city', audience_query =>
    'select id::text as recipient_key, email, ''{"name": "N", "city": "Madrid"}''::jsonb as vars from public.guest') $$,
  'variables that the template does not read need no value; email always has one');

select * from finish();
rollback;
