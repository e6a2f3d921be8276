begin;
\ir ../_fixtures.sql
select plan(5);
create function revision() returns bigint language sql as 'select revision from campaign.email_integrations';

select is(revision(), 1::bigint, 'the first');
update campaign.email_integrations set rate_limit = 50, max_connections = 2, daily_quota = 100, name = 'other';
select is(revision(), 1::bigint, 'what is not in config does not count');
update campaign.email_integrations set config = config || '{"port": 2525, "password": "hunter2"}';
select is(revision(), 1::bigint, 'nor does what stays as it was');
update campaign.email_integrations set config = config || '{"port": 2526}';
select is(revision(), 2::bigint, 'a change counts');
update campaign.email_integrations set revision = 7, config = config || '{"port": 2527}';
select is(revision(), 3::bigint, 'whatever is written');

select * from finish();
rollback;
