begin;
\ir ../_fixtures.sql
select plan(10);

create function message(p_config jsonb) returns jsonb language plpgsql as $$
declare
  v_job_no bigint := (campaign.start_campaign('guests', 'thanks', config => p_config, allow_repeat => true)).job_no;
begin
  return (campaign.job_spec(v_job_no) -> 'message') - '{segment,public_url}'::text[];
end
$$;
select is(message('{}') - 'template', '{"from_email": "hello@meetups.example", "from_name": null, "reply_to": null, "headers": {}}', 'neither says anything');
select is(message('{"from_name": "Spring", "reply_to": "spring@example.com", "headers": {"X-A": "1"}}') - 'template',
  '{"from_email": "hello@meetups.example", "from_name": "Spring", "reply_to": "spring@example.com", "headers": {"X-A": "1"}}', 'the campaign alone does');

update campaign.email_integrations
set config = config || '{"from_name": "Meetups", "reply_to": "team@example.com", "headers": {"X-A": "relay", "X-B": "relay"}}';
select is(message('{}') - 'template', '{"from_email": "hello@meetups.example", "from_name": "Meetups", "reply_to": "team@example.com", "headers": {"X-A": "relay", "X-B": "relay"}}',
  'the integration alone does');
select is(message('{"from_name": "Spring"}') - 'template', '{"from_email": "hello@meetups.example", "from_name": "Spring", "reply_to": "team@example.com", "headers": {"X-A": "relay", "X-B": "relay"}}',
  'what the campaign leaves out is the integration''s');
select is(message('{"headers": {"X-A": "spring", "X-C": "spring"}}') -> 'headers', '{"X-A": "spring", "X-B": "relay", "X-C": "spring"}', 'header by header');
select is(message('{"headers": {"x-a": "spring"}}') -> 'headers', '{"x-a": "spring", "X-B": "relay"}', 'in whatever case it is written');
select is(message('{"from_name": null, "reply_to": null, "headers": null}') ->> 'from_name', 'Meetups', 'null is nothing');

select id from campaign.send_test('thanks', 'ada@example.com') \gset
select campaign.register_runner('00000000-0000-4000-8000-000000000001', 'h', 1, 'v', 1);
select is((select message - '{template,segment,public_url}'::text[] from campaign.take_test_mail('00000000-0000-4000-8000-000000000001')), message('{}') - 'template', 'a test mail is as the integration''s');
select refused($$ select message('{"headers": {"X-A": "1", "x-a": "2"}}') $$, 'CP008', '{twice}', 'the same header twice');
select refused($$ select message('{"headers": {"Subject": "Free"}}') $$, 'CP008', '{Subject,X-Campaign}', 'a header that pg_campaign writes itself');

select * from finish();
rollback;
