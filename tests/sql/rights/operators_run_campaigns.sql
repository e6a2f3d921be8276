begin;
\ir ../_fixtures.sql
select plan(14);
create table public.secret as select 'a' as recipient_key, 'a@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars;
insert into campaign.segments (name, query) values ('secret', 'select * from public.secret');
select job_no as others from campaign.start_campaign('guests', 'thanks', dedupe_key => 'another') \gset
create role carmen in role campaign_operator;
set local role carmen;

select id as job, job_no from campaign.start_campaign('guests', 'thanks') \gset
select lives_ok(format('select campaign.pause_campaign(%L)', :'job'), 'pauses');
select lives_ok(format('select campaign.resume_campaign(%L)', :'job'), 'resumes');
select lives_ok(format('select campaign.retry_failed(%L)', :'job'), 'tries again');
select lives_ok(format('select campaign.resolve_uncertain(%L, ''sent'')', :'job'), 'decides');
select lives_ok('select campaign.send_test(''thanks'', ''carmen@example.com'')', 'sends herself a mail');
select lives_ok('select campaign.test_integration()', 'tests the relay');
select lives_ok('select campaign.plan_campaign(''guests'', ''thanks'')', 'plans');
select lives_ok(format('select campaign.cancel_campaign(%L)', :'job'), 'cancels');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'checks');
select lives_ok('select campaign.preview(''thanks''), campaign.tick()', 'previews, ticks');
select is((select status from campaign.campaign_progress where id = :'job'), 'cancelled', 'sees how far it is');
select refused($$ select campaign.start_campaign('secret', 'thanks') $$, 'CP010', '{permission denied,your rights}', 'an audience is read with the rights of the operator');

select throws_ok(w.statement, '42501', null, w.what)
from (values
  (format('insert into campaign.recipient values (%s, 99, ''x'', ''x@example.com'', ''{}'')', :others), 'writes nobody''s audience'),
  (format('insert into campaign.recipient values (%s, 99, ''x'', ''x@example.com'', ''{}'')', :job_no), 'not even her own, once it is frozen')) as w (statement, what);

select * from finish();
rollback;
