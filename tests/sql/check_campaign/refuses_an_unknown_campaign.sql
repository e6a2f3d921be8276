begin;
\ir ../_fixtures.sql
select plan(2);

select refused($$ select * from campaign.check_campaign('00000000-0000-4000-8000-00000000000f') $$, 'CP001', '{00000000-0000-4000-8000-00000000000f}', 'unknown');
select refused('select * from campaign.check_campaign(null)', 'CP001', '{null}', 'none');

select * from finish();
rollback;
