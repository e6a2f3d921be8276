begin;
\ir ../_fixtures.sql
select plan(8);

select refused($$ select campaign.start_campaign('guests', 'thank') $$, 'CP002', '{"template ''thank''",thanks}', 'template');
select refused($$ select campaign.start_campaign('guests', null) $$, 'CP002', '{template,thanks}', 'no template');
select refused($$ select campaign.start_campaign('guest', 'thanks') $$, 'CP003', '{"segment ''guest''",guests}', 'segment');
select refused($$ select campaign.start_campaign(null, 'thanks') $$, 'CP003', '{segment,guests}', 'no segment');
select refused($$ select campaign.start_campaign('guests', 'thanks', integration => 'mail') $$, 'CP004', '{"integration ''mail''",relay}', 'relay');
update campaign.email_integrations set is_default = false;
select refused($$ select campaign.start_campaign('guests', 'thanks') $$, 'CP004', '{no default,relay}', 'no default relay');
select lives_ok($$ select campaign.start_campaign('guests', (select id::text from campaign.email_templates), integration => (select id::text from campaign.email_integrations)) $$,
  'templates and relays may be named by their ids');

create function public.event_is_known(p_event uuid) returns boolean language sql as $$ select p_event = '00000000-0000-4000-8000-00000000000e' $$;
insert into campaign.setting values ('event_check', 'public.event_is_known');
select refused($$ select campaign.start_campaign('guests', 'thanks', event_id => '00000000-0000-4000-8000-00000000000f') $$, 'CP005', '{00000000-0000-4000-8000-00000000000f}', 'event');

select * from finish();
rollback;
