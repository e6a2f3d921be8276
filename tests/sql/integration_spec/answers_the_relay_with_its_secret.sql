begin;
\ir ../_protocol.sql
select plan(2);

select is(campaign.integration_spec(i.id) - 'id', '{"name": "relay", "host": "127.0.0.1", "port": 2525, "secure": false, "username": "u", "password": "hunter2"}', 'all of it') from campaign.email_integrations i;
select is(campaign.integration_spec(gen_random_uuid()), null, 'no such integration');

select * from finish();
rollback;
