create view campaign.test_mails as
select
  m.id,
  t.slug as template,
  i.name as integration,
  m.email,
  case
    when m.outcome is not null then m.outcome
    when m.runner_id is not null then 'under way'
    else 'waiting'
  end as state,
  m.phase,
  m.smtp_code,
  m.enhanced_code,
  m.detail,
  m.created_by,
  m.created_at,
  m.ended_at
from campaign.test_mail m
join campaign.email_templates t on t.id = m.template_id
join campaign.email_integrations i on i.id = m.integration_id;

comment on view campaign.test_mails is
'What became of the mails of send_test.';
comment on column campaign.test_mails.state is
'waiting (for a runner), under way, sent (accepted by the relay), failed, deferred (refused for now; a test is not repeated), uncertain (no reply to the final dot, or the runner died).';
comment on column campaign.test_mails.phase is 'Where in the SMTP dialogue it ended: resolve, connect, tls, greeting, ehlo, auth, mail, rcpt, data, body, dot; or render.';
comment on column campaign.test_mails.detail is 'The relay''s reply, or why there was none.';
