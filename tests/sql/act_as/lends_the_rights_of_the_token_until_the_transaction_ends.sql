begin;
\ir ../_fixtures.sql
select plan(13);
select token as reader from campaign.create_api_token('Rita''s "dashboard"', 'reader') \gset
select token as operator from campaign.create_api_token('carmen', 'operator') \gset
select token as admin from campaign.create_api_token('anna', 'admin') \gset
create role server in role campaign_server;
grant insert on campaign.recipient to server;

set local session authorization server;
select throws_ok('select * from campaign.email_jobs', '42501', null, 'of itself the server reads nothing');
select throws_ok($$ select campaign.start_campaign('guests', 'thanks') $$, '42501', null, 'and starts nothing');

savepoint before;
select is(campaign.act_as(:'reader'), 'Rita''s "dashboard"', 'a token is somebody''s');
select is(current_user, 'campaign_reader', 'the session has that role');
select lives_ok('select * from campaign.email_jobs', 'reads');
select throws_ok($$ select campaign.start_campaign('guests', 'thanks') $$, '42501', null, 'and may no more');
select throws_ok(format('select campaign.act_as(%L)', :'admin'), '42501', null, 'or become another');
rollback to before;
select is(current_user, 'server', 'after that it is nobody again');

savepoint before;
select campaign.act_as(:'operator');
select is(created_by, 'carmen', 'what is started is started by the token''s owner') from campaign.start_campaign('guests', 'thanks');
select is((campaign.cancel_campaign(id)).status_reason, 'cancelled by carmen', 'what is cancelled is cancelled by them') from campaign.email_jobs;
select throws_ok($$ select campaign.create_api_token('more', 'admin') $$, '42501', null, 'an operator''s token makes no token');
rollback to before;

select campaign.act_as(:'admin');
select lives_ok($$ select campaign.create_api_token('more', 'reader') $$, 'an admin''s does');
reset role;
reset session authorization;
select is(created_by, 'anna', 'and it is known who') from campaign.api_tokens where name = 'more';

select * from finish();
rollback;
