begin;
\ir ../_protocol.sql
select plan(5);

select is(campaign.integration_spec(i.id) - '{id,rules}'::text[], '{"name": "relay", "revision": 1, "host": "127.0.0.1", "port": 2525, "secure": false, "tls": "auto", "username": "u", "password": "hunter2",
  "address_family": "ipv4", "ca_file": null, "messages_per_connection": 100, "connection_age_s": 300, "pipelining": "commands", "timeouts": {"connect_s": 30, "greeting_s": 60, "command_s": 60, "body_s": 180, "dot_s": 600},
  "from_email": "hello@meetups.example", "from_name": "Meetups", "reply_to": null, "headers": {}}', 'all of it, with what is not said') from campaign.email_integrations i;

update campaign.email_integrations
set config = '{"host": "smtp.example.com", "port": 465.0, "secure": true, "tls": "implicit", "password": "env:P", "address_family": "auto", "ca_file": "/etc/ca.pem", "messages_per_connection": 20.0, "connection_age": 60, "pipelining": "off",
  "timeouts": {"connect": 0.5, "greeting": 1, "command": 2, "body": null, "dot": 4}, "from_email": "a@example.com", "from_name": null, "reply_to": "team@example.com", "headers": {"X-A": "1"}}';
select is(campaign.integration_spec(i.id) - '{id,rules}'::text[], '{"name": "relay", "revision": 2, "host": "smtp.example.com", "port": 465, "secure": true, "tls": "implicit", "username": null, "password": "env:P",
  "address_family": "auto", "ca_file": "/etc/ca.pem", "messages_per_connection": 20, "connection_age_s": 60, "pipelining": "off", "timeouts": {"connect_s": 0.5, "greeting_s": 1, "command_s": 2, "body_s": 180, "dot_s": 4},
  "from_email": "a@example.com", "from_name": null, "reply_to": "team@example.com", "headers": {"X-A": "1"}}', 'as it is said') from campaign.email_integrations i;
select is(campaign.integration_spec(i.id) ->> 'id', i.id::text, 'its id') from campaign.email_integrations i;
select is(campaign.integration_spec(i.id) -> 'rules', campaign._smtp_rules_spec(), 'and by which rules replies are judged') from campaign.email_integrations i;
select is(campaign.integration_spec(gen_random_uuid()), null, 'no such integration');

select * from finish();
rollback;
