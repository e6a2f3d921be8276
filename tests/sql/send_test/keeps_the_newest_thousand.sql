begin;
\ir ../_fixtures.sql
select plan(3);

insert into campaign.test_mail (template_id, template_version, integration_id, email, vars, created_at, runner_id, outcome, ended_at)
select t.id, t.version, i.id, 'old@example.com', '{}', campaign.now() - g * interval '1 min', gen_random_uuid(), 'sent', campaign.now()
from campaign.email_templates t, campaign.email_integrations i, generate_series(1, 1005) g;
update campaign.test_mail set outcome = null, ended_at = null, runner_id = null where created_at = campaign.now() - interval '1005 min';

select campaign.send_test('thanks', 'ada@example.com');
select is((select count(*) from campaign.test_mails where state = 'sent'), 999::bigint, 'with the new one a thousand');
select is((select string_agg(state, ' ' order by created_at) from campaign.test_mails where state <> 'sent'), 'waiting waiting', 'and what is not sent yet, however old');
select is((select min(created_at) from campaign.test_mails where state = 'sent'), campaign.now() - interval '999 min', 'the oldest are gone');

select * from finish();
rollback;
