begin;
\ir ../_refused.sql
set local client_min_messages = warning;
select plan(17);
create role ana in role campaign_admin;
set local role ana;

select is((select (name, config, rate_limit, max_connections, daily_quota, is_default)::text from campaign.add_integration('ImprovMX', 'hello@meetups.example', 'env:IMPROVMX_PASSWORD')),
  (select ('improvmx', '{"host": "smtp.improvmx.com", "port": 587, "username": "hello@meetups.example", "from_email": "hello@meetups.example"}'::jsonb, 5, 3, null::integer, true)::text),
  'its row, without the password');
select is((select config ->> 'password' from campaign.email_integrations), 'env:IMPROVMX_PASSWORD', 'which is kept for the runner');
select is((select (daily_quota, is_default)::text from campaign.add_integration('gmail', 'ana@gmail.example', 'abcd efgh ijkl mnop')), '(500,f)', 'a second is not the default');
select is((select config ->> 'username' from campaign.add_integration('sendgrid', password => 'file:/run/key', from_email => 'hello@meetups.example')), 'apikey', 'the provider''s user name');
select is((select config ->> 'host' from campaign.add_integration('ses', 'AKIA', 'env:SES', 'hello@meetups.example', host => 'email-smtp.eu-west-1.amazonaws.com')),
  'email-smtp.eu-west-1.amazonaws.com', 'a host per region');
select is((select (config, rate_limit, max_connections)::text from campaign.add_integration('smtp', from_email => 'Hello@meetups.example', host => 'localhost', port => 25)),
  (select ('{"host": "localhost", "port": 25, "from_email": "Hello@meetups.example"}'::jsonb, 5, null::integer)::text), 'any relay, without a login');
select is((select name || ' ' || (config ->> 'from_name') || ' ' || (config ->> 'reply_to') || ' ' || (config ->> 'from_email')
  from campaign.add_integration('improvmx', 'u@meetups.example', 'env:P', 'from@meetups.example', 'second', from_name => 'Meetups', reply_to => 'team@meetups.example')),
  'second Meetups team@meetups.example from@meetups.example', 'name and sender of its own');

select ok((select is_default from campaign.add_integration('improvmx', 'u@meetups.example', 'env:P', name => 'third', is_default => true)), 'the default, if asked to');
select is((select string_agg(name, ' ') from campaign.email_integrations where is_default), 'third', 'in place of the other');
select ok(not (select is_default from campaign.add_integration('improvmx', 'u@meetups.example', 'env:P', name => 'fourth', is_default => false)), 'not, if not');

select refused('select campaign.add_integration' || c.arguments, 'CP008', c.says::text[], c.what)
from (values
  ($$ ('improvmx', 'hello@meetups.example', 'env:P') $$, '{improvmx already,name =>,update}', 'a name that is taken'),
  ($$ ('improvmx', 'hello@meetups.example', 'env:', name => 'x') $$, '{environment variable}', 'a password that names nothing'),
  ($$ ('improvmx', 'hello@meetups.example', 'env:P', name => ' ') $$, '{no name}', 'no name'),
  ($$ ('improvmx', 'hello@meetups.example', 'env:P', name => 'x', port => 0) $$, '{port}', 'no port'),
  ($$ ('improvmx', 'hello@meetups.example', 'env:P', 'nobody', name => 'x') $$, '{from_email}', 'a sender that is no address'),
  ($$ ('improvmx', 'hello@meetups.example', 'env:P', name => 'x', from_name => E'A\nB') $$, '{from_name}', 'a name of two lines'),
  ($$ ('improvmx', 'hello@meetups.example', 'env:P', name => 'x', reply_to => 'nobody') $$, '{reply_to}', 'answers to nobody')) as c (arguments, says, what);

select * from finish();
rollback;
