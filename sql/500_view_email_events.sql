create view campaign.email_events as
select
  md5(format('%s/%s/%s', t.job_no, t.pos, t.chunk_no))::uuid as id,
  j.id as job_id,
  case when r.recipient_key ~ '^[0-9]{1,18}$' then r.recipient_key::bigint end as attendee_id,
  case t.outcome when 'sent' then 'sent' else 'bounce' end as event_type,
  jsonb_strip_nulls(jsonb_build_object('smtp_code', t.smtp_code, 'enhanced_code', t.enhanced_code, 'reply', t.detail, 'class', t.class)) as metadata,
  t.at as created_at,
  r.recipient_key
from campaign.attempt t
join campaign.email_jobs j on j.job_no = t.job_no
join campaign.recipient r on r.job_no = t.job_no and r.pos = t.pos
where t.outcome = 'sent' or (t.outcome = 'failed' and t.smtp_code >= 500);

comment on view campaign.email_events is
'What happened to the mails: sent (accepted by the relay), bounce (refused for good). attendee_id is the recipient''s key where it is a number.';
