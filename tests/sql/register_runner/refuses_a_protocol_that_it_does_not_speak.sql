begin;
\ir ../_protocol.sql
select plan(3);

select throws_ok($$ select campaign.register_runner(runner(3), 'host', 3, '9.0.0', 2) $$, 'CP021');
select throws_ok($$ select campaign.register_runner(runner(3), 'host', 3, '9.0.0', null) $$, 'CP021');
select is_empty($$ select from campaign.runner where runner_id = runner(3) $$, 'it is not registered');

select * from finish();
rollback;
