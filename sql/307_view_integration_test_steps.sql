create view campaign.integration_test_steps as
select m.id, s.step ->> 'step' as step, s.step ->> 'result' as result, s.step ->> 'detail' as detail
from campaign.integration_test m
cross join lateral jsonb_array_elements(m.steps) with ordinality as s (step, n)
order by m.created_at desc, m.id, s.n;

comment on view campaign.integration_test_steps is
'What a runner met when it tested an integration, in order, newest test first. No rows: it is not done yet, see integration_tests.';
comment on column campaign.integration_test_steps.id is 'As in integration_tests.';
comment on column campaign.integration_test_steps.step is
'resolve (the host''s name), connect, tls, login, mail (to the address of the test).';
comment on column campaign.integration_test_steps.result is 'ok, failed, skipped (not asked for, or an earlier step failed).';
comment on column campaign.integration_test_steps.detail is 'What was found: addresses, version of TLS, the relay''s reply; or why it failed.';
