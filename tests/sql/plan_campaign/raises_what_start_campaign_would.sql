begin;
\ir ../_fixtures.sql
select plan(13);

create table public.event (id uuid);
create function public.event_exists(uuid) returns boolean language sql security definer as $$ select exists (select from public.event where id = $1) $$;
insert into campaign.setting (name, value) values ('event_check', 'public.event_exists');
insert into campaign.email_templates (name, slug, subject, html, variables) values ('City', 'city', 'Hi', '<p>{{city}}</p>', '{city}');

create function sqlstate_of(p_statement text) returns text language plpgsql as $$
begin
  execute p_statement;
  return 'none';
exception when others then
  return sqlstate || ' ' || sqlerrm;
end
$$;

select is(sqlstate_of('select campaign.plan_campaign' || c.arguments), sqlstate_of('select campaign.start_campaign' || c.arguments), c.what)
from (values
  ($$ ('nobody', 'thanks') $$, 'unknown segment'),
  ($$ ('guests', 'nothing') $$, 'unknown template'),
  ($$ ('guests', 'thanks', event_id => '00000000-0000-4000-8000-00000000000f') $$, 'unknown event'),
  ($$ ('guests', 'thanks', integration => 'none') $$, 'unknown integration'),
  ($$ ('guests', 'thanks', config => '{"concurrency": 0}') $$, 'value out of range'),
  ($$ ('guests', 'thanks', config => '{"speed": 1}') $$, 'unknown key'),
  ($$ ('guests', 'thanks', subject => ' ') $$, 'empty subject'),
  ($$ ('guests', 'thanks', subject => '{{ oops') $$, 'a subject that is no template'),
  ($$ ('guests', 'thanks', dedupe_key => '') $$, 'empty dedupe key'),
  ($$ ('guests', 'city') $$, 'recipients without a value that the template reads'),
  ($$ ('guests', 'thanks', audience_query => 'select 1') $$, 'a query beside a segment'),
  ($$ ('custom', 'thanks', audience_query => 'select 1') $$, 'a query without the three columns')) as c (arguments, what);
select matches(sqlstate_of($$ select campaign.plan_campaign('guests', 'city') $$), '^CP009 ', 'e.g. CP009');

select * from finish();
rollback;
