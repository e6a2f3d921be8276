begin;
\ir ../_fixtures.sql
select plan(4);

select id as job from campaign.start_campaign('guests', 'thanks') \gset
insert into campaign.suppressions (email) values ('GRACE@example.com');
select play_runner();
select results_eq(format('select pos, state from campaign.recipient_state where job_id = %L order by pos', :'job'),
  $$ values (1::bigint, 'sent'), (2, 'suppressed'), (3, 'sent') $$, 'who is suppressed after the start gets no mail');
select results_eq(format('select status, total_contacts, sent_count, suppressed_count, excluded from campaign.email_jobs where id = %L', :'job'),
  $$ values ('completed', 3::bigint, 2::bigint, 1::bigint, '{}'::jsonb) $$, 'and is counted within the total');
select is_empty('select from campaign.attempt where pos = 2 and outcome = ''sent''', 'no attempt was made');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'the books are true');

select * from finish();
rollback;
