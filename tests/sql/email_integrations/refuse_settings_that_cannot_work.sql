begin;
\ir ../_fixtures.sql
select plan(19);

select throws_ok(format('insert into campaign.email_integrations (name, config) values (''x'', %L)', w.config), 'CP008', null, w.what)
from (values
  ('no host', '{"port": 25, "from_email": "a@example.com"}'),
  ('no port', '{"host": "h", "from_email": "a@example.com"}'),
  ('a port that is text', '{"host": "h", "port": "25", "from_email": "a@example.com"}'),
  ('half a port', '{"host": "h", "port": 25.5, "from_email": "a@example.com"}'),
  ('a port that no host has', '{"host": "h", "port": 70000, "from_email": "a@example.com"}'),
  ('no sender', '{"host": "h", "port": 25}'),
  ('no object', '[]'),
  ('no name of the sender', '{"host": "h", "port": 25, "from_email": "a@example.com", "from_name": ""}'),
  ('a name of the sender with a line of its own', '{"host": "h", "port": 25, "from_email": "a@example.com", "from_name": "A\r\nBcc: b@example.com"}'),
  ('no address to answer to', '{"host": "h", "port": 25, "from_email": "a@example.com", "reply_to": "nobody"}'),
  ('headers without values', '{"host": "h", "port": 25, "from_email": "a@example.com", "headers": ["X-A"]}'),
  ('a header with a line of its own', '{"host": "h", "port": 25, "from_email": "a@example.com", "headers": {"X-A": "1\r\nBcc: b@example.com"}}'),
  ('a header that is ours', '{"host": "h", "port": 25, "from_email": "a@example.com", "headers": {"subject": "Hi"}}'),
  ('a header twice', '{"host": "h", "port": 25, "from_email": "a@example.com", "headers": {"X-A": "1", "x-a": "2"}}'),
  ('secure that is text', '{"host": "h", "port": 25, "from_email": "a@example.com", "secure": "yes"}')) as w (what, config);
select refused($$ insert into campaign.email_integrations (name, config) values ('x', '{"host": "h", "port": 25, "from_emial": "a@example.com"}') $$,
  'CP008', '{integration x,from_emial,"from_email, from_name",insert into}', 'a key that there is not, with those that there are');
select throws_ok($$ update campaign.email_integrations set rate_limit = 0 $$, 'CP008', null, 'a rate of nothing');
select throws_ok($$ update campaign.email_integrations set rate_limit = -5 $$, 'CP008', null, 'a rate below nothing');
select throws_ok($$ insert into campaign.email_integrations (name, config, is_default) values ('x', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true) $$,
  '23505', null, 'a second default');

select * from finish();
rollback;
