begin;
\ir ../_fixtures.sql
select plan(8);

insert into campaign.suppressions (email) values ('gone@example.com'), ('hello@meetups.example');

select refused('select campaign.test_integration' || c.arguments, c.code, c.says::text[], c.what)
from (values
  ($$ ('none') $$, 'CP004', '{none,relay}', 'unknown integration'),
  ($$ (email => 'no address') $$, 'CP008', '{address}', 'malformed address'),
  ($$ (email => E'ada@example.com\r\nBcc: eve@example.com') $$, 'CP008', '{address}', 'a header in the address'),
  ($$ (email => '') $$, 'CP008', '{address,from_email}', 'empty address'),
  ($$ (email => 'GONE@example.com') $$, 'CP008', '{suppressed}', 'suppressed address'),
  ($$ () $$, 'CP008', '{suppressed,from_email}', 'suppressed sender')) as c (arguments, code, says, what);
delete from campaign.email_integrations;
select refused('select campaign.test_integration()', 'CP004', '{default,add_integration}', 'no relay at all');
select is_empty('select from campaign.integration_test', 'nothing waits');

select * from finish();
rollback;
