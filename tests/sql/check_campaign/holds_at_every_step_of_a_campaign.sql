begin;
\ir ../_fixtures.sql
select plan(6);

select id as job, job_no from campaign.start_campaign('guests', 'thanks', config => '{"chunk_size": 2}') \gset
create function broken(p_job uuid) returns setof text language sql as $$ select name || ': ' || detail from campaign.check_campaign(p_job) where not holds $$;
\set runner 00000000-0000-4000-8000-000000000002

select is_empty(format('select broken(%L)', :'job'), 'started');

select campaign.register_runner(:'runner', 'host', 2, '0.1.0', 1);
select chunk_no, epoch from campaign.claim_chunks(:'runner', 1, '[]') \gset
select campaign.report(:'runner', format('[{"job_no": %s, "chunk_no": %s, "epoch": %s, "next_mark": 2}]', :job_no, :chunk_no, :epoch)::jsonb);
select is_empty(format('select broken(%L)', :'job'), 'two mails under way');

select campaign.report(:'runner', format(
  '[{"job_no": %s, "chunk_no": %s, "epoch": %s, "outcomes": [{"pos": 1, "outcome": "deferred", "phase": "rcpt", "code": 450}]}]', :job_no, :chunk_no, :epoch)::jsonb);
select is_empty(format('select broken(%L)', :'job'), 'one of them waits for a retry');

select set_clock('2026-02-26 18:05+00');
select campaign.tick();
select campaign.tick();
select set_clock('2026-02-26 18:05:40+00');
select campaign.recover_stale();
select is_empty(format('select broken(%L)', :'job'), 'the runner died with the other');

select play_runner();
select is_empty(format('select broken(%L)', :'job'), 'another one has finished');
select results_eq(format('select status, sent_count, uncertain_count from campaign.email_jobs where id = %L', :'job'),
  $$ values ('completed', 2::bigint, 1::bigint) $$, 'all are accounted for');

select * from finish();
rollback;
