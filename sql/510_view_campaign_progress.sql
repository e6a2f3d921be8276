create view campaign.campaign_progress as
select
  j.id,
  j.event_id,
  j.segment,
  j.subject,
  j.status,
  j.status_reason,
  j.total_contacts,
  j.sent_count,
  j.failed_count,
  j.uncertain_count,
  j.suppressed_count,
  j.cancelled_count,
  p.pending_count,
  round(100.0 * (j.total_contacts - p.pending_count) / nullif(j.total_contacts, 0), 1) as percent,
  round(60 * j.sent_count / nullif(p.seconds, 0), 1) as per_minute,
  case when j.status = 'running' and j.total_contacts > p.pending_count
    then round(p.pending_count * p.seconds / (j.total_contacts - p.pending_count)) end as eta_seconds,
  j.started_at,
  j.completed_at,
  j.last_heartbeat,
  j.created_at
from campaign.email_jobs j
cross join lateral (
  select
    j.total_contacts - j.sent_count - j.failed_count - j.uncertain_count - j.suppressed_count - j.cancelled_count as pending_count,
    extract(epoch from coalesce(j.completed_at, campaign.now()) - j.started_at) as seconds
) p;

comment on view campaign.campaign_progress is
'How far each campaign is; at most a second old. per_minute: accepted mails a minute since it started. eta_seconds: at the pace so far.';
