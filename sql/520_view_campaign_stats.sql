create view campaign.campaign_stats as
select
  j.id,
  j.event_id,
  j.segment,
  j.subject,
  j.status,
  j.total_contacts,
  j.sent_count,
  j.failed_count,
  j.uncertain_count,
  j.suppressed_count,
  j.cancelled_count,
  e.bounces,
  e.unique_opens,
  e.unique_clicks,
  round(100.0 * e.unique_opens / nullif(j.sent_count, 0), 1) as open_rate,
  round(100.0 * e.unique_clicks / nullif(j.sent_count, 0), 1) as click_rate,
  j.started_at,
  j.completed_at
from campaign.email_jobs j
cross join lateral (
  select
    count(distinct v.recipient_key) filter (where v.event_type = 'bounce') as bounces,
    count(distinct v.recipient_key) filter (where v.event_type = 'open') as unique_opens,
    count(distinct v.recipient_key) filter (where v.event_type = 'click') as unique_clicks
  from campaign.email_events v
  where v.job_id = j.id
) e;

comment on view campaign.campaign_stats is
'Results of each campaign, also of those that have sent nothing. Rates are percent of the accepted mails; null: none was.';
comment on column campaign.campaign_stats.bounces is 'Recipients refused for good by a relay.';
comment on column campaign.campaign_stats.unique_opens is 'Recipients who opened the mail at least once; unique_clicks likewise.';
