create table campaign.integration_test (
  id uuid primary key default gen_random_uuid(),
  integration_id uuid not null references campaign.email_integrations (id) on delete cascade,
  email text not null,
  created_by text not null default campaign._subject(),
  created_at timestamptz not null default campaign.now(),
  runner_id uuid,
  host text,
  steps jsonb,
  passed boolean,
  detail text,
  ended_at timestamptz,
  constraint steps_are_an_array check (jsonb_typeof(steps) = 'array'),
  constraint ended_tests_have_a_result check ((passed is null) = (ended_at is null)),
  constraint a_runner_ends_it check (passed is null or runner_id is not null),
  constraint passed_tests_have_steps check (not passed or steps is not null)
);

create index integration_test_open on campaign.integration_test (created_at) where passed is null;

comment on table campaign.integration_test is
'Tests of test_integration: each is carried out by one runner, once. The newest 1,000 are kept.';
