begin;
\ir ../_fixtures.sql
select plan(5);

insert into campaign.email_templates (name, slug, subject, html, text)
values ('Stop', 'stop', 'Hi', '<a href="{{unsubscribe_url}}">No more</a>', 'No more: {{unsubscribe_url}}');
select results_eq($$ select html, text from campaign.preview('stop') $$,
  $$ values ('<a href="https://unsubscribe.invalid/unsubscribe?t=preview">No more</a>', 'No more: https://unsubscribe.invalid/unsubscribe?t=preview') $$,
  'without a public_url at a place that leads nowhere');
select is((select text from campaign.preview('stop', vars => '{"unsubscribe_url": "https://evil.example"}')), 'No more: https://unsubscribe.invalid/unsubscribe?t=preview',
  'whatever the audience says');
select id as mail from campaign.send_test('stop', 'ada@example.com') \gset
select campaign.register_runner('00000000-0000-4000-8000-000000000001', 'h', 1, 'v', 1);
insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com');
select is((select text from campaign.preview('stop')), 'No more: https://mail.example.com/unsubscribe?t=preview', 'with one there');
select is((select message -> 'public_url' from campaign.take_test_mail('00000000-0000-4000-8000-000000000001')), '"https://mail.example.com"', 'a test mail likewise');
select results_eq($$ select used_variables from campaign.template_version v join campaign.email_templates t on t.id = v.template_id where t.slug = 'stop' $$,
  $$ values ('{unsubscribe_url}'::text[]) $$, 'it is a variable that the template reads');

select * from finish();
rollback;
