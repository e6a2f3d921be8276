begin;
\ir ../_fixtures.sql
select plan(4);

insert into campaign.email_templates (name, slug, subject, html) values ('Other', 'other', 'Hello', '<p>Hello</p>');
create temporary table first as select * from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1');

select is((select id from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1')), (select id from first), 'the same key gives the same campaign');
select play_runner();
select results_eq($$ select id, status from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1') $$,
  $$ select id, 'completed' from first $$, 'after its end too, as it is now');
select is((select count(*) from campaign.email_jobs), 1::bigint, 'there is one campaign');
select refused($$ select campaign.start_campaign('guests', 'other', idempotency_key => 'k1') $$, 'CP012', array[(select id::text from first), 'guests', 'new key'],
  'the key of another campaign is refused, and the campaign named');

select * from finish();
rollback;
