begin;
\ir ../_fixtures.sql
select plan(18);

select set_eq($$ select name || ' ' || coalesce(host, '-') || ' ' || port || ' ' || coalesce(username, '-') || ' ' || coalesce(max_connections::text, '-') || ' ' || rate_limit || ' ' || coalesce(daily_quota::text, '-')
    from campaign.smtp_providers where builtin $$,
  array['improvmx smtp.improvmx.com 587 - 3 5 -', 'gmail smtp.gmail.com 587 - 5 20 500', 'sendgrid smtp.sendgrid.net 587 apikey 10 100 -', 'ses - 587 - 10 14 -', 'smtp - 587 - - 5 -'],
  'what is shipped');

create role ana in role campaign_admin;
set local role ana;
select lives_ok($$ insert into campaign.smtp_providers (name, title, host, rate_limit) values ('mine', 'Mine', 'smtp.mine.example', 10) $$, 'one of one''s own');
select lives_ok($$ update campaign.smtp_providers set rate_limit = 20, note = 'new' where name = 'mine' $$, 'that changes');
select is((select rate_limit from campaign.add_integration('mine', 'a@mine.example', 'env:MINE')), 20::numeric, 'is used like the others');
select refused(s.statement, 'CP008', '{shipped with pg_campaign,insert into}', s.what)
from (values
  ('update campaign.smtp_providers set rate_limit = 500 where name = ''gmail''', 'a shipped one cannot be changed'),
  ('delete from campaign.smtp_providers where name = ''gmail''', 'nor deleted'),
  ('update campaign.smtp_providers set builtin = false where name = ''gmail''', 'nor made one''s own'),
  ('update campaign.smtp_providers set builtin = true where name = ''mine''', 'and one''s own is not shipped'),
  ('insert into campaign.smtp_providers (name, title, builtin) values (''x'', ''X'', true)', 'not when it is added either')) as s (statement, what);
select refused(s.statement, 'CP008', '{insert into}', s.what)
from (values
  ('insert into campaign.smtp_providers (name, title) values ('' '', ''X'')', 'no name'),
  ('insert into campaign.smtp_providers (name, title) values (''Mine'', ''X'')', 'a name that add_integration would not find'),
  ('update campaign.smtp_providers set title = null where name = ''mine''', 'no title'),
  ('update campaign.smtp_providers set host = '''' where name = ''mine''', 'no host'),
  ('update campaign.smtp_providers set port = 0 where name = ''mine''', 'no port'),
  ('update campaign.smtp_providers set rate_limit = -1 where name = ''mine''', 'no rate'),
  ('update campaign.smtp_providers set max_connections = 0 where name = ''mine''', 'no connection'),
  ('update campaign.smtp_providers set daily_quota = 0 where name = ''mine''', 'no mail')) as s (statement, what);
select lives_ok($$ delete from campaign.smtp_providers where name = 'mine' $$, 'one''s own can go');

select * from finish();
rollback;
