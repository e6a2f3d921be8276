begin;
\ir ../_protocol.sql
\ir ../_digest.sql
select plan(15);

select id as test from campaign.test_integration() \gset
select campaign.take_integration_test(runner(1));
select campaign.report_integration_test(runner(2), :'test', '[{"step": "mail", "result": "ok"}]');
select is((select state from campaign.integration_tests), 'under way', 'only the runner that has it can say what became of it');
select throws_ok(format('select campaign.report_integration_test(runner(1), %L, %L)', :'test', s), 'CP022', null, coalesce(s, 'null') || ' are no steps')
from unnest(array['{}', '[]', 'null', null, '["mail"]', '[{}]', '[[{"step": "mail", "result": "ok"}]]', '[{"step": "mail"}]', '[{"step": "dance", "result": "ok"}]', '[{"step": "mail", "result": "fine"}]',
  '[{"step": "mail", "result": "ok"}, {"step": "mail", "result": "failed"}]', '[{"step": "mail", "result": "ok"}, {"step": null, "result": "ok"}]']) s;
select is_empty('select from campaign.integration_test_steps', 'which leave nothing behind');

select campaign.report_integration_test(runner(1), :'test', '[{"step": "mail", "result": "ok"}]');
select digest() as before \gset
select campaign.report_integration_test(runner(1), :'test', '[{"step": "mail", "result": "ok"}]');
select campaign.report_integration_test(runner(1), :'test', '[{"step": "mail", "result": "failed"}]');
select campaign.report_integration_test(runner(1), '00000000-0000-4000-8000-00000000000f', '[{"step": "mail", "result": "failed"}]');
select is(digest(), :'before', 'the first report stays');

select * from finish();
rollback;
