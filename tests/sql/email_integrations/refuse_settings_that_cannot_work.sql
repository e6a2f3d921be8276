begin;
\ir ../_fixtures.sql
select plan(9);

select throws_ok(format('insert into campaign.email_integrations (name, config) values (''x'', %L)', w.config), '23514', null, w.what)
from (values
  ('no host', '{"port": 25, "from_email": "a@example.com"}'),
  ('no port', '{"host": "h", "from_email": "a@example.com"}'),
  ('a port that is text', '{"host": "h", "port": "25", "from_email": "a@example.com"}'),
  ('half a port', '{"host": "h", "port": 25.5, "from_email": "a@example.com"}'),
  ('a port that no host has', '{"host": "h", "port": 70000, "from_email": "a@example.com"}'),
  ('no sender', '{"host": "h", "port": 25}'),
  ('secure that is text', '{"host": "h", "port": 25, "from_email": "a@example.com", "secure": "yes"}')) as w (what, config);
select throws_ok($$ update campaign.email_integrations set rate_limit = 0 $$, '23514', null, 'a rate of nothing');
select throws_ok($$ insert into campaign.email_integrations (name, config, is_default) values ('x', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true) $$,
  '23505', null, 'a second default');

select * from finish();
rollback;
