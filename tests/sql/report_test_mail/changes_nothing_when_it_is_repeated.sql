begin;
\ir ../_protocol.sql
\ir ../_digest.sql
select plan(8);

select id as mail from campaign.send_test('letter', 'ada@example.com') \gset
select campaign.take_test_mail(runner(1));
select campaign.report_test_mail(runner(2), :'mail', '{"outcome": "sent"}');
select is((select state from campaign.test_mails), 'under way', 'only the runner that has it can say what became of it');
select throws_ok(format('select campaign.report_test_mail(runner(1), %L, %L)', :'mail', o), 'CP022', null, coalesce(o, 'null') || ' is no outcome')
from unnest(array['{}', '{"outcome": "lost"}', '{"outcome": null}', null]) o;

select campaign.report_test_mail(runner(1), :'mail', '{"outcome": "sent", "code": 250, "phase": "dot"}');
select digest() as before \gset
select campaign.report_test_mail(runner(1), :'mail', '{"outcome": "sent", "code": 250, "phase": "dot"}');
select campaign.report_test_mail(runner(1), :'mail', '{"outcome": "failed", "code": 550}');
select campaign.report_test_mail(runner(1), '00000000-0000-4000-8000-00000000000f', '{"outcome": "failed", "code": 550}');
select is(digest(), :'before', 'the first outcome stays');

select id as deferred from campaign.send_test('letter', 'ada@example.com') \gset
select campaign.take_test_mail(runner(1));
select campaign.report_test_mail(runner(1), :'deferred', '{"outcome": "deferred", "code": 451, "phase": "rcpt"}');
select is((select state from campaign.test_mails where id = :'deferred'), 'deferred', 'a deferral ends it too');
select is_empty('select from campaign.take_test_mail(runner(1))', 'it is not tried again');

select * from finish();
rollback;
