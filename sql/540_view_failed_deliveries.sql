create view campaign.failed_deliveries as
select
  s.job_id,
  s.pos,
  s.recipient_key,
  s.email,
  concat_ws(' ', t.smtp_code, coalesce(t.detail, t.phase)) as error,
  t.phase,
  t.smtp_code,
  t.enhanced_code,
  t.class,
  s.attempts,
  t.at as failed_at
from campaign.attempt t
join campaign.recipient_state s on s.job_no = t.job_no and s.pos = t.pos
where t.outcome = 'failed' and s.state = 'failed'
  and not exists (
    select from campaign.attempt l
    where l.job_no = t.job_no and l.pos = t.pos and l.outcome = 'failed' and l.chunk_no > t.chunk_no);

comment on view campaign.failed_deliveries is
'Recipients who were given up: refused for good, or out of attempts. retry_failed tries them again.';
comment on column campaign.failed_deliveries.error is 'The relay''s last reply, or how the connection was lost.';
comment on column campaign.failed_deliveries.phase is 'Where in the SMTP dialogue it ended: mail, rcpt, data, body, dot; or render.';
comment on column campaign.failed_deliveries.class is 'What kind of answer it was, by the rules in smtp_rules: bad_address, policy, …; null: no rule fits.';
comment on column campaign.failed_deliveries.attempts is 'How often a mail was attempted.';
