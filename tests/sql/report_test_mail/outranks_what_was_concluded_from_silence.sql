begin;
\ir ../_protocol.sql
select plan(7);

select id as mail from campaign.send_test('letter', 'ada@example.com') \gset
select campaign.take_test_mail(runner(1));
select campaign.tick();
select is((select state from campaign.test_mails), 'under way', 'a living runner has it');
update campaign.runner set heartbeat_at = campaign.now() - interval '31 s' where runner_id = runner(1);
select campaign.tick();
select is((select state from campaign.test_mails), 'under way', 'after a pause of all ticks runners are heard first');
select fall_silent(1);
select campaign.tick();
select is((select (state, detail)::text from campaign.test_mails), '(uncertain,"the runner died")', 'nobody can know what a dead runner sent');
select is_empty('select from campaign.take_test_mail(runner(2))', 'it is not sent again');
select is_empty('select from campaign.take_test_mail(runner(1))', 'not by the same runner either');
select campaign.report_test_mail(runner(1), :'mail', '{"outcome": "sent", "code": 250, "phase": "dot", "detail": "250 ok"}');
select is((select (state, smtp_code, detail)::text from campaign.test_mails), '(sent,250,"250 ok")', 'but what the runner tells is true');

select id as gone from campaign.send_test('letter', 'ada@example.com') \gset
select campaign.take_test_mail(runner(2));
select campaign.unregister_runner(runner(2));
update campaign.tick_state set alive_since = '-infinity';
select campaign.tick();
select is((select state from campaign.test_mails where id = :'gone'), 'uncertain', 'a runner that said goodbye will not tell');

select * from finish();
rollback;
