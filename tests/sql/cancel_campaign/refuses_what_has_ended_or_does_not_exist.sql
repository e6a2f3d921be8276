begin;
\ir ../_fixtures.sql
select plan(4);

select id as job from campaign.start_campaign('guests', 'thanks') \gset
select play_runner();
select refused(format('select campaign.cancel_campaign(%L)', :'job'), 'CP011', '{completed,3 sent,called back}', 'a completed campaign');
select id as failed from campaign.start_campaign('guests', 'thanks', allow_repeat => true) \gset
select play_runner('{"outcome": "failed", "phase": "rcpt", "code": 550}');
select refused(format('select campaign.cancel_campaign(%L)', :'failed'), 'CP011', '{failed,3 failed}', 'a failed campaign');
select refused($$ select campaign.cancel_campaign('00000000-0000-4000-8000-00000000000f') $$, 'CP001', '{00000000-0000-4000-8000-00000000000f,campaign_progress}', 'an unknown campaign');
select refused($$ select campaign.cancel_campaign(null) $$, 'CP001', '{null}', 'no campaign');

select * from finish();
rollback;
