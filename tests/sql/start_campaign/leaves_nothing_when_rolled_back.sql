begin;
\ir ../_fixtures.sql
select plan(3);

savepoint application;
select campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1');
rollback to savepoint application;

select is_empty('select from campaign.email_jobs', 'no campaign');
select is_empty('select from campaign.recipient union all select from campaign.chunk', 'no recipients, no work');
select is((select total_contacts from campaign.start_campaign('guests', 'thanks', idempotency_key => 'k1')), 3::bigint, 'it can be started as if nothing had been');

select * from finish();
rollback;
