begin;
\ir ../_fixtures.sql
select plan(12);

insert into campaign.suppressions (email) values ('gone@example.com');
insert into campaign.email_templates (name, slug, subject, html, variables) values ('City', 'city', 'Hi', '<p>{{city}}</p>', '{city}');

select refused('select campaign.send_test' || c.arguments, c.code, c.says::text[], c.what)
from (values
  ($$ ('nothing', 'ada@example.com') $$, 'CP002', '{nothing,thanks}', 'unknown template'),
  ($$ (null, 'ada@example.com') $$, 'CP002', '{NULL}', 'no template'),
  ($$ ('thanks', 'no address') $$, 'CP008', '{address}', 'malformed address'),
  ($$ ('thanks', E'ada@example.com\r\nBcc: eve@example.com') $$, 'CP008', '{address}', 'a header in the address'),
  ($$ ('thanks', null) $$, 'CP008', '{address}', 'no address'),
  ($$ ('thanks', 'GONE@example.com') $$, 'CP008', '{suppressed}', 'suppressed address'),
  ($$ ('thanks', 'ada@example.com', integration => 'none') $$, 'CP004', '{none,relay}', 'unknown integration'),
  ($$ ('city', 'ada@example.com') $$, 'CP009', '{city}', 'a variable without a value'),
  ($$ ('thanks', 'ada@example.com', null) $$, 'CP008', '{Leave them out}', 'no vars'),
  ($$ ('thanks', 'ada@example.com', '[]') $$, 'CP009', '{vars}', 'vars that are no object')) as c (arguments, code, says, what);
delete from campaign.email_integrations;
select refused($$ select campaign.send_test('thanks', 'ada@example.com') $$, 'CP004', '{default,add_integration}', 'no relay at all');
select is_empty('select from campaign.test_mail', 'nothing waits');

select * from finish();
rollback;
