create view campaign.email_events as
select
  md5(format('%s/%s/%s', e.job_no, e.pos, e.chunk_no))::uuid as id,
  j.id as job_id,
  case when r.recipient_key ~ '^[0-9]{1,18}$' then r.recipient_key::bigint end as attendee_id,
  case e.outcome when 'sent' then 'sent' else 'bounce' end as event_type,
  jsonb_strip_nulls(jsonb_build_object('smtp_code', e.smtp_code, 'enhanced_code', e.enhanced_code, 'reply', e.detail, 'class', e.class)) as metadata,
  e.at as created_at,
  r.recipient_key
from campaign.attempt e
join campaign.email_jobs j on j.job_no = e.job_no
join campaign.recipient r on r.job_no = e.job_no and r.pos = e.pos
where e.outcome = 'sent' or (e.outcome = 'failed' and e.smtp_code >= 500)
union all
select
  md5(format('event %s', e.event_no))::uuid,
  j.id,
  case when r.recipient_key ~ '^[0-9]{1,18}$' then r.recipient_key::bigint end,
  e.kind,
  jsonb_strip_nulls(jsonb_build_object('link_url', e.link_url, 'user_agent', e.user_agent, 'ip', e.address, 'family', e.family, 'agent', e.agent, 'detail', e.detail)),
  e.at,
  r.recipient_key
from campaign.tracking_event e
join campaign.email_jobs j on j.job_no = e.job_no
join campaign.recipient r on r.job_no = e.job_no and r.pos = e.pos;

comment on view campaign.email_events is
'What happened to the mails: sent (accepted by the relay), bounce (refused for good, or come back later), open, click, unsubscribe, complaint. attendee_id is the recipient''s key where it is a number.';
comment on column campaign.email_events.metadata is
'sent, and bounce of a relay: {smtp_code, enhanced_code, reply, class}. open, click, unsubscribe: {link_url, agent, family, ip, user_agent}. bounce, complaint that were recorded: {detail}. agent: human, google_proxy, yahoo_proxy (people, through a proxy), apple_mpp, google_prefetch, scanner (programs). ip is cut to /24 or /48 and user_agent left out, unless the setting reader_details is full.';
