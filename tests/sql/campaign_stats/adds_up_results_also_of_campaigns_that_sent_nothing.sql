begin;
\ir ../_protocol.sql
select plan(5);

create function stats(p_job bigint) returns text language sql as $$
  select concat_ws(' ', status, total_contacts, sent_count, failed_count, uncertain_count, suppressed_count, cancelled_count,
    'bounces', bounces, 'opens', unique_opens, 'clicks', unique_clicks, 'rates', coalesce(open_rate::text, '-'), coalesce(click_rate::text, '-'))
  from campaign.campaign_stats where id = job_id(p_job)
$$;
select start_job(4) as job \gset
select is(stats(:job), 'pending 4 0 0 0 0 0 bounces 0 opens 0 clicks 0 rates - -', 'nothing was sent yet');
select claim(1);
select report(1, :job, 1, 4);
select report(1, :job, 1, null, '1 sent 250, 2 failed 550, 3 uncertain, 4 failed');
select campaign.tick();
select is(stats(:job), 'completed 4 1 2 1 0 0 bounces 1 opens 0 clicks 0 rates 0.0 0.0', 'a bounce is a refusal for good by a relay');
select start_job(2, '{}', 'hold', '2026-02-27') as cancelled \gset
select campaign.cancel_campaign(job_id(:cancelled));
select is(stats(:cancelled), 'cancelled 2 0 0 0 0 2 bounces 0 opens 0 clicks 0 rates - -', 'a cancelled campaign');
select is((select count(*) from campaign.campaign_stats), 2::bigint, 'one row a campaign');
select is_empty($$ select from campaign.campaign_stats s join campaign.campaign_progress p using (id)
  where (s.sent_count, s.failed_count, s.uncertain_count, s.total_contacts, s.started_at, s.completed_at)
    is distinct from (p.sent_count, p.failed_count, p.uncertain_count, p.total_contacts, p.started_at, p.completed_at) $$, 'campaign_progress says the same');

select * from finish();
rollback;
