begin;
\ir ../_protocol.sql
select plan(2);

select throws_ok($$ select campaign.heartbeat(runner(9), '[]') $$, 'CP020');
select campaign.unregister_runner(runner(1));
select throws_ok($$ select campaign.heartbeat(runner(1), '[]') $$, 'CP020');

select * from finish();
rollback;
