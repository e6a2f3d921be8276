begin;
\ir ../_fixtures.sql
select plan(7);

select id as scheduled from campaign.start_campaign('guests', 'thanks', scheduled_at => '2026-02-26 19:00+00') \gset
select campaign.pause_campaign(:'scheduled');
select is((select status from campaign.resume_campaign(:'scheduled')), 'scheduled', 'a scheduled campaign is scheduled again');
select campaign.pause_campaign(:'scheduled');
select set_clock('2026-02-26 20:00+00');
select is((select status from campaign.resume_campaign(:'scheduled')), 'pending', 'or starts, when its time went by');

select campaign.register_runner('00000000-0000-4000-8000-000000000001', 'host', 1, '0.1.0', 1);
select count(*) from campaign.claim_chunks('00000000-0000-4000-8000-000000000001', 1, '[]');
select refused(format('select campaign.resume_campaign(%L)', :'scheduled'), 'CP011', '{running}', 'a running campaign is not paused');
select campaign.pause_campaign(:'scheduled');
select is((select status from campaign.resume_campaign(:'scheduled')), 'partial', 'a campaign that had begun goes on');
select play_runner();
select is((select status from campaign.email_jobs where id = :'scheduled'), 'completed', 'to its end');
select refused(format('select campaign.resume_campaign(%L)', :'scheduled'), 'CP011', '{completed,dealt with}', 'what has ended stays so');
select refused('select campaign.resume_campaign(null)', 'CP001', '{null}', 'no campaign');

select * from finish();
rollback;
