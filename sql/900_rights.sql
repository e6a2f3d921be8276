-- Everything belongs to campaign_owner, PUBLIC has nothing, and each role gets what it is for.
do $$
declare
  v_object record;
begin
  for v_object in
    select case c.relkind when 'v' then 'view' else 'table' end as kind, c.oid::regclass::text as name
    from pg_catalog.pg_class c
    where c.relnamespace = 'campaign'::regnamespace and c.relkind in ('r', 'v')
    union all
    select 'function', p.oid::regprocedure::text
    from pg_catalog.pg_proc p
    where p.pronamespace = 'campaign'::regnamespace
  loop
    execute format('alter %s %s owner to campaign_owner', v_object.kind, v_object.name);
  end loop;
end
$$;

revoke all on all tables in schema campaign from public;
revoke all on all sequences in schema campaign from public;
revoke all on all functions in schema campaign from public;

grant usage on schema campaign to campaign_owner, campaign_admin, campaign_operator, campaign_runner, campaign_reader, campaign_server;
grant execute on function campaign.now() to campaign_server, campaign_admin, campaign_operator, campaign_runner, campaign_reader;
grant campaign_reader to campaign_operator;
grant campaign_operator to campaign_admin;
-- So that it can become each of them; it inherits none.
grant campaign_reader, campaign_operator, campaign_admin to campaign_server;

grant select on campaign.email_jobs, campaign.email_templates, campaign.segments, campaign.suppressions,
  campaign.email_events, campaign.campaign_progress, campaign.campaign_stats, campaign.recipient_state, campaign.failed_deliveries,
  campaign.uncertain_deliveries, campaign.double_deliveries, campaign.runners, campaign.test_mails, campaign.integration_tests, campaign.integration_test_steps,
  campaign.smtp_providers, campaign.smtp_rules to campaign_reader;
grant execute on function campaign.check_campaign(uuid), campaign.explain_recipient(uuid, text), campaign.preview(text, text, jsonb),
  campaign.judge_reply(text, text), campaign.help(), campaign.check_installation(), campaign._setting_interval(text) to campaign_reader;
grant select (id, name, type, rate_limit, max_connections, daily_quota, is_default, revision, created_at) on campaign.email_integrations to campaign_reader;

-- What they may do is decided by the functions and tables that they use.
grant execute on function
  campaign._api_limit(integer),
  campaign._api_cursor(text),
  campaign._api_job(campaign.email_jobs),
  campaign._api_campaign(uuid),
  campaign._api_campaigns(uuid, text, text, text, integer, text),
  campaign._api_start(jsonb),
  campaign._api_stats(uuid),
  campaign._api_recipients(uuid, text, integer, text),
  campaign._api_uncertain(uuid, integer, text),
  campaign._api_resolve(uuid, text, text[], boolean),
  campaign._api_template(text),
  campaign._api_templates(integer, text),
  campaign._api_create_template(jsonb),
  campaign._api_update_template(text, jsonb),
  campaign._api_preview(text, text, jsonb),
  campaign._api_segments(),
  campaign._api_segment_count(text, uuid, text, text[]),
  campaign._api_suppressions(integer, text),
  campaign._api_suppress(text, text),
  campaign._api_unsuppress(text),
  campaign._api_integrations(),
  campaign._api_bounce(text, uuid, text, text),
  campaign._api_complaint(text, uuid, text, text),
  campaign._find_job(uuid),
  campaign._find_template(text),
  campaign._find_segment(text),
  campaign._default_dedupe_key(uuid, text, uuid),
  campaign._may_be(text, bigint, bigint)
to campaign_reader;

-- Who asks to be left alone is heard at once.
grant insert on campaign.suppressions to campaign_operator;
grant insert, update, delete on campaign.email_templates, campaign.segments, campaign.suppressions, campaign.smtp_providers, campaign.smtp_rules to campaign_admin;
grant select, insert, update, delete on campaign.email_integrations, campaign.setting to campaign_admin;
grant execute on function campaign.add_integration(text, text, text, text, text, text, integer, text, text, boolean),
  campaign.create_api_token(text, text), campaign.revoke_api_token(text), campaign._api_preview_draft(jsonb) to campaign_admin;
grant select on campaign.api_tokens to campaign_admin;
grant execute on function campaign.act_as(text), campaign._token_owner(text) to campaign_server;
-- The secret is nobody's.
grant select (key_id, created_at, retired_at), update (retired_at) on campaign.signing_key to campaign_admin;
grant execute on function campaign.rotate_signing_key() to campaign_admin;
grant execute on function
  campaign.record_events(jsonb),
  campaign.record_open(text, text, inet),
  campaign.record_click(text, text, inet),
  campaign.click_url(text),
  campaign.record_unsubscribe(text, text, inet),
  campaign.unsubscribe_state(text)
to campaign_server, campaign_admin;

grant execute on function
  campaign.plan_campaign(text, text, uuid, text, jsonb, text, text, text[], text, boolean),
  campaign.start_campaign(text, text, uuid, text, jsonb, text, text, text[], timestamptz, text, boolean, boolean, text, text, boolean),
  campaign.cancel_campaign(uuid),
  campaign.pause_campaign(uuid, text),
  campaign.resume_campaign(uuid),
  campaign.retry_failed(uuid),
  campaign.resolve_uncertain(uuid, text, text[], boolean),
  campaign.send_test(text, text, jsonb, text),
  campaign.test_integration(text, text),
  campaign.record_bounce(text, uuid, text, text),
  campaign.record_complaint(text, uuid, text, text),
  campaign.tick(uuid),
  campaign._check_start(text, text, uuid, text, jsonb, text, text, text),
  campaign._check_event(uuid),
  campaign._audience(text, text, uuid, text[], text[], text, boolean, bigint),
  campaign._audience_statement(text),
  campaign._read_audience(text, uuid, text[]),
  campaign._mailed_already(text, bigint),
  campaign._check_fit(bigint, bigint, bigint, text),
  campaign._start_open(text, text, uuid, text, jsonb, text, text, text[], timestamptz, text, boolean, boolean, text, text, boolean),
  campaign._filling_job(),
  campaign._start_seal(bigint),
  campaign._excluded_text(jsonb),
  campaign._counted(bigint, text),
  campaign._notice(text, boolean),
  campaign._runners_alive(),
  campaign._fold_address(text)
to campaign_operator;

-- start_campaign fills the audience with the rights of its caller; nobody else's audience can be written.
grant insert on campaign.recipient, campaign.left_out to campaign_operator;
alter table campaign.recipient enable row level security;
create policy only_the_audience_of_the_campaign_being_started on campaign.recipient
for insert to campaign_operator
with check (job_no = (select campaign._filling_job()));
alter table campaign.left_out enable row level security;
create policy only_the_audience_of_the_campaign_being_started on campaign.left_out
for insert to campaign_operator
with check (job_no = (select campaign._filling_job()));

grant execute on function
  campaign.register_runner(uuid, text, integer, text, integer),
  campaign.unregister_runner(uuid),
  campaign.heartbeat(uuid, jsonb),
  campaign.grant(uuid, uuid, bigint, integer, integer),
  campaign.connections(uuid, uuid, integer, integer),
  campaign.report_relay(uuid, uuid, bigint, jsonb),
  campaign.claim_chunks(uuid, integer, jsonb),
  campaign.report(uuid, jsonb),
  campaign.release(uuid, jsonb),
  campaign.recover_stale(),
  campaign.replay(uuid, text, integer, text, bigint, jsonb, boolean),
  campaign.tick(uuid),
  campaign.job_spec(bigint),
  campaign.integration_spec(uuid),
  campaign.list_integrations(),
  campaign.check_installation(),
  campaign.take_test_mail(uuid),
  campaign.report_test_mail(uuid, uuid, jsonb),
  campaign.take_integration_test(uuid),
  campaign.report_integration_test(uuid, uuid, jsonb)
to campaign_runner;
