begin;
\ir ../_protocol.sql
select plan(7);

select id as test from campaign.test_integration() \gset
select campaign.take_integration_test(runner(1));
select campaign.tick();
select is((select state from campaign.integration_tests), 'under way', 'a living runner has it');
update campaign.runner set heartbeat_at = campaign.now() - interval '31 s' where runner_id = runner(1);
select campaign.tick();
select is((select state from campaign.integration_tests), 'under way', 'after a pause of all ticks runners are heard first');
select fall_silent(1);
select campaign.tick();
select is((select (state, detail)::text from campaign.integration_tests), '(failed,"the runner died")', 'a dead runner tests nothing');
select is_empty('select from campaign.take_integration_test(runner(2))', 'it is not repeated');
select is_empty('select from campaign.take_integration_test(runner(1))', 'not by the same runner either');
select campaign.report_integration_test(runner(1), :'test', '[{"step": "mail", "result": "ok", "detail": "250 ok"}]');
select is((select (state, detail)::text from campaign.integration_tests), '(passed,)', 'but what the runner tells is true');

select id as gone from campaign.test_integration() \gset
select campaign.take_integration_test(runner(2));
select campaign.unregister_runner(runner(2));
update campaign.tick_state set alive_since = '-infinity';
select campaign.tick();
select is((select (state, detail)::text from campaign.integration_tests where id = :'gone'), '(failed,"the runner died")', 'a runner that said goodbye will not tell');

select * from finish();
rollback;
