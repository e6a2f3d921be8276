begin;
\ir ../_protocol.sql
select plan(9);
create function passes() returns jsonb language sql as $$ select '[{"step": "mail", "result": "ok"}]'::jsonb $$;

select is_empty('select from campaign.take_integration_test(runner(1))', 'nothing waits');
select id as first from campaign.test_integration() \gset
select advance('1 s');
select id as second from campaign.test_integration() \gset
select is((select id from campaign.take_integration_test(runner(1))), :'first', 'the oldest comes first');
select is((select id from campaign.take_integration_test(runner(1))), :'first', 'a runner that asks again did not hear the answer');
select is((select id from campaign.take_integration_test(runner(2))), :'second', 'another runner gets the next');
select is((select count(*) from campaign.take_integration_test(runner(2))), 1::bigint, 'one at a time');
select campaign.report_integration_test(runner(1), :'first', passes());
select is_empty('select from campaign.take_integration_test(runner(1))', 'once it is reported nothing is left');
select is((select id from campaign.take_integration_test(runner(2))), :'second', 'the other''s is the other''s');

select advance('10 s');
select campaign.take_integration_test(runner(1));
select is((select heartbeat_at from campaign.runner where runner_id = runner(1)), campaign.now(), 'asking is a sign of life');
select throws_ok('select campaign.take_integration_test(runner(3))', 'CP020', null, 'a runner that is not registered gets nothing');

select * from finish();
rollback;
