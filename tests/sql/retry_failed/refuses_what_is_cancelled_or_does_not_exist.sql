begin;
\ir ../_fixtures.sql
select plan(3);

select id as job from campaign.start_campaign('guests', 'thanks') \gset
select campaign.cancel_campaign(:'job');
select refused(format('select campaign.retry_failed(%L)', :'job'), 'CP011', '{cancelled,for good,Start the campaign again}', 'a cancelled campaign');
select refused($$ select campaign.retry_failed('00000000-0000-4000-8000-00000000000f') $$, 'CP001', '{00000000-0000-4000-8000-00000000000f,campaign_progress}', 'an unknown campaign');
select refused('select campaign.retry_failed(null)', 'CP001', '{null}', 'no campaign');

select * from finish();
rollback;
