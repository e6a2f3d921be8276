begin;
\ir ../_fixtures.sql
select plan(4);

select campaign.start_campaign('guests', 'thanks');
select play_runner('{"outcome": "failed", "phase": "rcpt", "code": 550}');
select is((select total_contacts from campaign.start_campaign('guests', 'thanks')), 3::bigint, 'refused mail may be sent again');

select campaign.cancel_campaign(id) from campaign.email_jobs where status = 'pending';
create temporary table third as select * from campaign.start_campaign('guests', 'thanks');
select is((select total_contacts from third), 3::bigint, 'cancelled mail may be sent again');

select play_runner('{"outcome": "uncertain", "phase": "dot"}');
select is((select j.uncertain_count from campaign.email_jobs j join third using (id)), 3::bigint, 'now nobody knows whether it was accepted');
select refused($$ select campaign.start_campaign('guests', 'thanks') $$, 'CP007', '{3 already mailed,allow_repeat}', 'who may have it is not mailed again');

select * from finish();
rollback;
