create view campaign.integration_tests as
select
  m.id,
  i.name as integration,
  m.email,
  case
    when m.passed then 'passed'
    when not m.passed then 'failed'
    when m.runner_id is not null then 'under way'
    else 'waiting'
  end as state,
  m.detail,
  m.host,
  m.created_by,
  m.created_at,
  m.ended_at
from campaign.integration_test m
join campaign.email_integrations i on i.id = m.integration_id;

comment on view campaign.integration_tests is
'What became of the tests of test_integration. Step by step: integration_test_steps.';
comment on column campaign.integration_tests.email is 'Who gets the mail of the test.';
comment on column campaign.integration_tests.state is 'waiting (for a runner), under way, passed (the relay accepted a mail), failed.';
comment on column campaign.integration_tests.detail is 'The step that failed, and why; or that the runner died.';
comment on column campaign.integration_tests.host is 'Where the runner is that carried it out.';
