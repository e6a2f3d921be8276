begin;
\ir ../_fixtures.sql
select plan(4);
create role carmen in role campaign_operator;

set local session authorization carmen;
set local campaign.subject = 'anna';
select is(created_by, 'carmen', 'who is logged in cannot say to be somebody else') from campaign.start_campaign('guests', 'thanks');
select is((campaign.cancel_campaign(id)).status_reason, 'cancelled by carmen', 'nor when it ends') from campaign.email_jobs;
select throws_ok($$ select campaign.act_as('') $$, '42501', null, 'nor become the server');
select throws_ok($$ set local role campaign_server $$, '42501', null, 'in any way');

select * from finish();
rollback;
