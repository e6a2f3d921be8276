begin;
\ir ../_protocol.sql
select plan(6);

update campaign.email_integrations set rate_limit = 2, daily_quota = 3;
select i.id as relay from campaign.email_integrations i \gset
select start_job(9) as job \gset
select count(campaign.send_test('letter', format('t%s@example.com', g))) from generate_series(1, 2) g;
select count(campaign.test_integration('relay'));
select isnt_empty('select from campaign.take_test_mail(runner(1))', 'a test mail waits for nothing');
select is(campaign.grant(runner(1), :'relay', :job, 9) -> 'granted', '1', 'campaigns make room for it');
select isnt_empty('select from campaign.take_integration_test(runner(1))', 'so does the mail of a test of the integration');
select is_empty('select from campaign.take_test_mail(runner(2))', 'the quota is used up');
select is(campaign.grant(runner(1), :'relay', :job, 9) -> 'granted', '0', 'by all of them together');
select advance('24 h 11 min');
select campaign.heartbeat(runner(2), '[]');
select isnt_empty('select from campaign.take_test_mail(runner(2))', 'a day later it is sent');

select * from finish();
rollback;
