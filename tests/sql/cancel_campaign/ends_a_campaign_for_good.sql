begin;
\ir ../_fixtures.sql
select plan(8);

select id as job from campaign.start_campaign('guests', 'thanks') \gset

select results_eq(format('select status, sent_count, cancelled_count, completed_at from campaign.cancel_campaign(%L)', :'job'),
  $$ values ('cancelled', 0::bigint, 3::bigint, timestamptz '2026-02-26 18:00+00') $$, 'everybody who has no mail ends as cancelled, at once');
select results_eq(format('select distinct state from campaign.recipient_state where job_id = %L', :'job'), $$ values ('cancelled') $$, 'recipients say so');
select play_runner();
select is_empty('select from campaign.attempt', 'nothing is sent any more');
select lives_ok(format('select campaign.cancel_campaign(%L)', :'job'), 'cancelling again changes nothing');
select refused(format('select campaign.pause_campaign(%L)', :'job'), 'CP011', '{cancelled}', 'it cannot be paused');
select refused(format('select campaign.resume_campaign(%L)', :'job'), 'CP011', '{for good,Start the campaign again}', 'it cannot be resumed');
select is((select status from campaign.email_jobs where id = :'job'), 'cancelled', 'it stays cancelled');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'the books are true');

select * from finish();
rollback;
