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
  e.complaints,
  e.unsubscribes,
  e.unique_opens,
  e.human_opens,
  e.unique_clicks,
  e.human_clicks,
  round(100.0 * e.unique_opens / nullif(j.sent_count, 0), 1) as open_rate,
  round(100.0 * e.human_opens / nullif(j.sent_count, 0), 1) as human_open_rate,
  round(100.0 * e.unique_clicks / nullif(j.sent_count, 0), 1) as click_rate,
  round(100.0 * e.human_clicks / nullif(j.sent_count, 0), 1) as human_click_rate,
  j.started_at,
  j.completed_at
from campaign.email_jobs j
cross join lateral (
  select
    count(*) filter (where r.bounced) as bounces,
    count(*) filter (where r.complained) as complaints,
    count(*) filter (where r.unsubscribed) as unsubscribes,
    count(*) filter (where r.opened) as unique_opens,
    count(*) filter (where r.opened_by_a_person) as human_opens,
    count(*) filter (where r.clicked) as unique_clicks,
    count(*) filter (where r.clicked_by_a_person) as human_clicks
  from (
    select
      bool_or(v.kind = 'bounce') as bounced,
      bool_or(v.kind = 'complaint') as complained,
      bool_or(v.kind = 'unsubscribe') as unsubscribed,
      bool_or(v.kind = 'open') as opened,
      bool_or(v.kind = 'open' and v.agent in ('human', 'google_proxy', 'yahoo_proxy')) as opened_by_a_person,
      bool_or(v.kind = 'click') as clicked,
      bool_or(v.kind = 'click' and v.agent in ('human', 'google_proxy', 'yahoo_proxy')) as clicked_by_a_person
    from (
      select t.pos, t.kind, t.agent
      from campaign.tracking_event t
      where t.job_no = j.job_no
      union all
      select t.pos, 'bounce', null
      from campaign.attempt t
      where t.job_no = j.job_no and t.outcome = 'failed' and t.smtp_code >= 500
    ) v
    group by v.pos
  ) r
) e;

comment on view campaign.campaign_stats is
'Results of each campaign, also of those that have sent nothing. Rates are percent of the accepted mails; null: none was.';
comment on column campaign.campaign_stats.bounces is 'Recipients refused for good by a relay, or whose mail came back later.';
comment on column campaign.campaign_stats.unsubscribes is 'Recipients who unsubscribed by a link of this campaign.';
comment on column campaign.campaign_stats.unique_opens is
'Recipients whose mail was opened at least once, by whomever; unique_clicks likewise. Programs fetch images and follow links, too.';
comment on column campaign.campaign_stats.human_opens is
'Of these, recipients where at least one open is no program''s as far as can be told; human_clicks likewise. Clicks are the figure to trust: many people read without images.';
