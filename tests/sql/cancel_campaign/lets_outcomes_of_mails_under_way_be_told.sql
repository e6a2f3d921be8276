begin;
\ir ../_fixtures.sql
select plan(6);

select id as job, job_no from campaign.start_campaign('guests', 'thanks') \gset
\set runner 00000000-0000-4000-8000-000000000001
select campaign.register_runner(:'runner', 'host', 1, '0.1.0', 1);
select chunk_no, epoch from campaign.claim_chunks(:'runner', 1, '[]') \gset
select is(
  campaign.report(:'runner', format('[{"job_no": %s, "chunk_no": %s, "epoch": %s, "next_mark": 2}]', :job_no, :chunk_no, :epoch)::jsonb) #> '{0,go}',
  '[1, 2]', 'two mails are under way');

select results_eq(format('select status, sent_count, cancelled_count from campaign.cancel_campaign(%L)', :'job'), $$ values ('cancelled', 0::bigint, 0::bigint) $$,
  'cancel does not wait for them');
select is(
  campaign.report(:'runner', format('[{"job_no": %s, "chunk_no": %s, "epoch": %s, "next_mark": 3, "outcomes": [{"pos": 1, "outcome": "sent", "phase": "dot", "code": 250}]}]',
    :job_no, :chunk_no, :epoch)::jsonb) -> 0 #- '{job_no}' #- '{chunk_no}' #- '{epoch}',
  '{"verdict": "stop", "mark": 2, "go": [2]}', 'the runner is told to start nothing more, and what it has not told of');
select campaign.release(:'runner', format('[{"job_no": %s, "chunk_no": %s, "epoch": %s, "outcomes": [{"pos": 2, "outcome": "returned"}]}]', :job_no, :chunk_no, :epoch)::jsonb);
select campaign.tick();
select results_eq(format('select pos, state from campaign.recipient_state where job_id = %L order by pos', :'job'),
  $$ values (1::bigint, 'sent'), (2, 'cancelled'), (3, 'cancelled') $$, 'what was accepted counts as sent, the rest is cancelled');
select results_eq(format('select status, sent_count, cancelled_count from campaign.email_jobs where id = %L', :'job'), $$ values ('cancelled', 1::bigint, 2::bigint) $$,
  'the counters follow');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'the books are true');

select * from finish();
rollback;
