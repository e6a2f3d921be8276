begin;
\ir ../_protocol.sql
select plan(3);

select is(campaign.register_runner(runner(3), 'host', 3, '0.1.0', 1), '{"heartbeat_ms": 5000, "fence_ms": 20000, "stale_ms": 30000}', 'the defaults');
insert into campaign.setting (name, value) values ('heartbeat_every', '1 s');
select is(campaign.register_runner(runner(3), 'host', 3, '0.1.0', 1) ->> 'heartbeat_ms', '1000', 'a setting counts');
select advance('7 s');
select campaign.register_runner(runner(3), 'host', 3, '0.1.0', 1);
select is((select (started_at - campaign.now(), heartbeat_at - campaign.now())::text from campaign.runner where runner_id = runner(3)), '(-00:00:07,00:00:00)',
  'a repeated call is one runner, heard again');

select * from finish();
rollback;
