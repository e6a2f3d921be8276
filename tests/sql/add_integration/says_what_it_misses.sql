begin;
\ir ../_refused.sql
select plan(12);
create role ana in role campaign_admin;
set local role ana;

select refused('select campaign.add_integration' || c.arguments, 'CP008', c.says::text[], c.what)
from (values
  ($$ ('improv') $$, '{improv,"gmail, improvmx, sendgrid, ses, smtp",host =>}', 'unknown provider: those that there are'),
  ($$ (null) $$, '{NULL,improvmx}', 'no provider'),
  ($$ ('ses', 'u', 'env:P', 'a@example.com') $$, '{host is missing,email-smtp.eu-west-1.amazonaws.com,host =>}', 'a provider with a host per region: how it looks'),
  ($$ ('smtp', from_email => 'a@example.com') $$, '{host is missing,host =>}', 'any relay: which'),
  ($$ ('improvmx') $$, '{username is missing,address of your domain,username =>}', 'who logs in'),
  ($$ ('improvmx', '', 'env:P') $$, '{username is missing}', 'an empty user name is none'),
  ($$ ('gmail', 'a@example.com') $$, '{password is missing,app password,env:NAME,file:/PATH}', 'with which password'),
  ($$ ('sendgrid', from_email => 'a@example.com') $$, '{password is missing,API key}', 'or key'),
  ($$ ('smtp', 'u', host => 'h', from_email => 'a@example.com') $$, '{password is missing}', 'a user name without a password'),
  ($$ ('smtp', password => 'env:P', host => 'h', from_email => 'a@example.com') $$, '{username is missing}', 'a password without a user name'),
  ($$ ('sendgrid', password => 'env:P') $$, '{from_email is missing,from_email =>}', 'who the mails are from, as the user name does not tell')) as c (arguments, says, what);
reset role;
select is_empty('select from campaign.email_integrations', 'nothing was added');

select * from finish();
rollback;
