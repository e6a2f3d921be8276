begin;
\ir ../_fixtures.sql
select plan(7);
create role ana in role campaign_admin;
grant select on public.guest to ana;
set local role ana;

select lives_ok($$ insert into campaign.email_templates (name, slug, subject, html) values ('New', 'new', 'Hi', '<p>{{name}}</p>') $$, 'templates');
select lives_ok($$ update campaign.segments set description = 'Guests' $$, 'segments');
select lives_ok($$ insert into campaign.suppressions (email) values ('Ada@example.com') $$, 'suppressions');
select lives_ok($$ update campaign.email_integrations set config = config || '{"password": "new"}' $$, 'relays');
select lives_ok($$ select campaign.add_integration('gmail', 'ana@example.com', 'env:GMAIL') $$, 'a new one');
select lives_ok($$ delete from campaign.setting where name = 'clock' $$, 'settings');
select is((select total_contacts from campaign.start_campaign('guests', 'new')), 2::bigint, 'and all that operators do');

select * from finish();
rollback;
