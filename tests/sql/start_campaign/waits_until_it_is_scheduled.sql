begin;
\ir ../_fixtures.sql
select plan(5);

select id as job from campaign.start_campaign('guests', 'thanks', scheduled_at => '2026-02-26 19:00+00') \gset
delete from public.guest where id = 3;

select play_runner();
select results_eq(format('select status, sent_count from campaign.email_jobs where id = %L', :'job'), $$ values ('scheduled', 0::bigint) $$, 'nothing is sent before');
select set_clock('2026-02-26 19:00+00');
select campaign.tick();
select results_eq(format('select status from campaign.email_jobs where id = %L', :'job'), $$ values ('pending') $$, 'at its time it waits for a runner');
select play_runner();
select results_eq(format('select status, sent_count from campaign.email_jobs where id = %L', :'job'), $$ values ('completed', 3::bigint) $$,
  'it goes to the audience as it was when it was scheduled');
select is((select status from campaign.start_campaign('guests', 'thanks', scheduled_at => '2026-02-26 18:59+00', allow_repeat => true)), 'pending', 'a time in the past is now');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'the books are true');

select * from finish();
rollback;
