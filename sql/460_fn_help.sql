create function campaign.help(out to_do text, out type_this text)
returns setof record
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  values
    ('Add a relay', 'select campaign.add_integration(''improvmx'', ''hello@example.com'', ''env:RELAY_PASSWORD'')'),
    ('See whether it works', 'select campaign.test_integration(''RELAY'')'),
    ('… step by step', 'select step, result, detail from campaign.integration_test_steps'),
    ('See whom a campaign would mail', 'select * from campaign.plan_campaign(''SEGMENT'', ''TEMPLATE'', event_id => ''…'')'),
    ('Look at a mail', 'select * from campaign.preview(''TEMPLATE'')'),
    ('Send one mail to yourself', 'select campaign.send_test(''TEMPLATE'', ''you@example.com'')'),
    ('… and see what became of it', 'select * from campaign.test_mails order by created_at desc'),
    ('Start a campaign', 'select id from campaign.start_campaign(''SEGMENT'', ''TEMPLATE'', event_id => ''…'')'),
    ('Watch it', 'select * from campaign.campaign_progress'),
    ('Stop it for a while', 'select campaign.pause_campaign(''JOB'')'),
    ('Let it go on', 'select campaign.resume_campaign(''JOB'')'),
    ('End it for good', 'select campaign.cancel_campaign(''JOB'')'),
    ('See who failed, and why', 'select * from campaign.failed_deliveries where job_id = ''JOB'''),
    ('Try those again', 'select campaign.retry_failed(''JOB'')'),
    ('See of whom nobody can know', 'select * from campaign.uncertain_deliveries where job_id = ''JOB'''),
    ('Decide about them', 'select campaign.resolve_uncertain(''JOB'', ''sent'')  -- or ''resend'''),
    ('See what happened to one person', 'select * from campaign.explain_recipient(''JOB'', ''ada@example.com'')'),
    ('See what a reply of a relay means', 'select * from campaign.judge_reply(''rcpt'', ''550 5.1.1 No such user'')'),
    ('Let readers unsubscribe, and see what they do', 'insert into campaign.setting (name, value) values (''public_url'', ''https://mail.example.com'')'),
    ('… in a campaign', 'select id from campaign.start_campaign(''SEGMENT'', ''TEMPLATE'', track_opens => true, track_clicks => true)'),
    ('See what readers did', 'select * from campaign.email_events where job_id = ''JOB'''),
    ('See the results', 'select * from campaign.campaign_stats'),
    ('See whether anybody sends', 'select * from campaign.runners'),
    ('See whether all is set up', 'select * from campaign.check_installation()'),
    ('Prove the books', 'select * from campaign.check_campaign(''JOB'')'),
    ('Never mail somebody again', 'insert into campaign.suppressions (email) values (''ada@example.com'')'),
    ('Record that a mail came back', 'select * from campaign.record_bounce(''ada@example.com'')'),
    ('Record that somebody called it spam', 'select * from campaign.record_complaint(''ada@example.com'')'),
    ('Sign new links with a new key', 'select campaign.rotate_signing_key()'),
    ('Let somebody use the API', 'select token from campaign.create_api_token(''NAME'', ''operator'')  -- or ''reader'', ''admin'''),
    ('… and no longer', 'select campaign.revoke_api_token(''NAME'')'),
    ('Do now what is due', 'select campaign.tick()'),
    ('Read the manual of a function', '\df+ campaign.start_campaign')
$$;

comment on function campaign.help() is
'What an organiser does, and the line to type for it.';
