begin;
\ir ../_fixtures.sql
select plan(8);

select refused($$ update campaign.setting set value = 'tea time' where name = 'clock' $$, 'CP008', '{clock,"tea time",timestamp}', 'clock');
select refused($$ insert into campaign.setting values ('stale_after', 'soon') $$, 'CP008', '{stale_after,soon,interval}', 'interval');
select refused($$ insert into campaign.setting values ('stale_after', '20 s') $$, 'CP008', '{fence_after (00:00:20) < stale_after (00:00:20)}', 'stale as soon as fenced');
select refused($$ insert into campaign.setting values ('heartbeat_every', '0') $$, 'CP008', '{heartbeat_every (00:00:00)}', 'no pause between heartbeats');
select refused($$ insert into campaign.setting values ('event_check', 'public.no_such_function') $$, 'CP008', '{public.no_such_function(uuid)}', 'event_check');
select throws_ok($$ insert into campaign.setting values ('colour', 'red') $$, '23514', null, 'unknown setting');

insert into campaign.setting values ('stale_after', '2 min'), ('fence_after', '90 s');
select is(campaign.register_runner(gen_random_uuid(), 'host', 1, '0.1.0', 1), '{"heartbeat_ms": 5000, "fence_ms": 90000, "stale_ms": 120000}', 'runners are told the times that hold');
select refused($$ delete from campaign.setting where name = 'stale_after' $$, 'CP008', '{fence_after (00:01:30) < stale_after (00:00:30)}', 'a default that does not fit the others');

select * from finish();
rollback;
