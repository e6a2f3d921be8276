begin;
\ir ../_fixtures.sql
create temporary table wrong (what text, config text);
insert into wrong values
  ('no host', '{"port": 25, "from_email": "a@example.com"}'),
  ('no port', '{"host": "h", "from_email": "a@example.com"}'),
  ('no sender', '{"host": "h", "port": 25}'),
  ('no object', '[]');
insert into wrong
select w.what, jsonb_build_object('host', 'h', 'port', 25, 'from_email', 'a@example.com') || w.config::jsonb
from (values
  ('a port that is text', '{"port": "25"}'),
  ('half a port', '{"port": 25.5}'),
  ('a port that no host has', '{"port": 70000}'),
  ('no name of the sender', '{"from_name": ""}'),
  ('a name of the sender with a line of its own', '{"from_name": "A\r\nBcc: b@example.com"}'),
  ('no address to answer to', '{"reply_to": "nobody"}'),
  ('headers without values', '{"headers": ["X-A"]}'),
  ('a header with a line of its own', '{"headers": {"X-A": "1\r\nBcc: b@example.com"}}'),
  ('a header that is ours', '{"headers": {"subject": "Hi"}}'),
  ('a header twice', '{"headers": {"X-A": "1", "x-a": "2"}}'),
  ('secure that is text', '{"secure": "yes"}'),
  ('a user name that is a number', '{"username": 5}'),
  ('no variable after env:', '{"password": "env:"}'),
  ('no name of a variable after env:', '{"password": "env:$HOME"}'),
  ('no path after file:', '{"password": "file:"}'),
  ('a path from nowhere after file:', '{"password": "file:secret"}'),
  ('a password that is a list', '{"password": ["a"]}')) as w (what, config);
-- These the table itself refuses too.
create temporary table checked as
select w.what, jsonb_build_object('host', 'h', 'port', 25, 'from_email', 'a@example.com') || w.config::jsonb as config
from (values
  ('a kind of TLS that there is not', '{"tls": "ssl"}'),
  ('tls that is true', '{"tls": true}'),
  ('a family of addresses that there is not', '{"address_family": "ipv6"}'),
  ('a ca_file from nowhere', '{"ca_file": "ca.pem"}'),
  ('an empty ca_file', '{"ca_file": ""}'),
  ('no message on a connection', '{"messages_per_connection": 0}'),
  ('too many messages on a connection', '{"messages_per_connection": 10001}'),
  ('half a message', '{"messages_per_connection": 1.5}'),
  ('messages that are text', '{"messages_per_connection": "100"}'),
  ('a connection of no age', '{"connection_age": 0}'),
  ('a connection older than a day', '{"connection_age": 86401}'),
  ('an age that is text', '{"connection_age": "5 min"}'),
  ('a pipelining that there is not', '{"pipelining": "deep"}'),
  ('pipelining that is true', '{"pipelining": true}'),
  ('timeouts that are a number', '{"timeouts": 30}'),
  ('timeouts that are a list', '{"timeouts": [30]}'),
  ('a timeout of nothing', '{"timeouts": {"connect": 0}}'),
  ('a timeout that is text', '{"timeouts": {"body": "3 min"}}'),
  ('a dot that waits for longer than a resend does', '{"timeouts": {"dot": 601}}')) as w (what, config);
insert into wrong select what, config::text from checked;
select plan(11 + (select count(*) from wrong)::integer + (select count(*) from checked)::integer);

select throws_ok(format('insert into campaign.email_integrations (name, config) values (''x'', %L)', w.config), 'CP008', null, w.what) from wrong w;
select refused($$ insert into campaign.email_integrations (name, config) values ('x', '{"host": "h", "port": 25, "from_emial": "a@example.com"}') $$,
  'CP008', '{integration x,from_emial,"from_email, from_name",insert into}', 'a key that there is not, with those that there are');
select refused($$ insert into campaign.email_integrations (name, config) values ('x', '{"host": "h", "port": 25, "from_email": "a@example.com", "timeouts": {"dots": 5}}') $$,
  'CP008', '{timeouts has no key,dots,"connect, greeting, command, body, dot"}', 'a timeout that there is not, with those that there are');
select refused($$ insert into campaign.email_integrations (name, config) values ('x', '{"host": "h", "port": 25, "from_email": "a@example.com", "timeouts": {"dot": 900}}') $$,
  'CP008', '{dot cannot be 900,from 0.01 to 600}', 'a value with those that can be');
select throws_ok($$ update campaign.email_integrations set rate_limit = 0 $$, 'CP008', null, 'a rate of nothing');
select throws_ok($$ update campaign.email_integrations set rate_limit = -5 $$, 'CP008', null, 'a rate below nothing');
select throws_ok($$ update campaign.email_integrations set max_connections = 0 $$, 'CP008', null, 'no connection');
select throws_ok($$ update campaign.email_integrations set max_connections = 1001 $$, 'CP008', null, 'too many connections');
select throws_ok($$ update campaign.email_integrations set daily_quota = 0 $$, 'CP008', null, 'no mail a day');
select throws_ok($$ insert into campaign.email_integrations (name, config, is_default) values ('x', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true) $$,
  '23505', null, 'a second default');

alter table campaign.email_integrations disable trigger integration_is_valid;
select throws_ok(format('insert into campaign.email_integrations (name, config) values (''x'', %L)', c.config), '23514', null, 'by the table: ' || c.what) from checked c;
alter table campaign.email_integrations enable trigger integration_is_valid;

select lives_ok($$ insert into campaign.email_integrations (name, config, rate_limit, max_connections, daily_quota) values ('low', '{"host": "h", "port": 1, "from_email": "a@example.com",
  "tls": "starttls", "ca_file": "/etc/ca.pem", "address_family": "auto", "username": "u", "password": "env:RELAY_PASSWORD",
  "messages_per_connection": 1, "connection_age": 1, "pipelining": "off", "timeouts": {"connect": 0.01, "greeting": 0.01, "command": 0.01, "body": 0.01, "dot": 0.01}}', 0.001, 1, 1) $$, 'the least of each is taken');
select lives_ok($$ insert into campaign.email_integrations (name, config, rate_limit, max_connections, daily_quota) values ('high', '{"host": "h", "port": 65535, "from_email": "a@example.com",
  "tls": null, "ca_file": null, "address_family": null, "username": null, "password": "file:/run/secret",
  "messages_per_connection": 10000, "connection_age": 86400, "pipelining": "messages", "timeouts": {"connect": 600, "greeting": 600, "command": 600, "body": null, "dot": 600}}', 1000000, 1000, 2147483647) $$, 'and the most');

select * from finish();
rollback;
