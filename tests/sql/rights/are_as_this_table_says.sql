-- x: may call; r, a, w, d: may select, insert, update, delete; an asterisk: some columns only. A new object belongs into the table.
begin;
select plan(10);

create temporary table expected (name text, admin text, operator text, runner text, reader text, server text default '', public text default '');
insert into expected (name, admin, operator, runner, reader) values
  ('add_integration',      'x', '', '', ''),
  ('cancel_campaign',      'x', 'x', '', ''),
  ('check_campaign',       'x', 'x', '', 'x'),
  ('check_installation',   'x', 'x', 'x', 'x'),
  ('claim_chunks',         '', '', 'x', ''),
  ('connections',          '', '', 'x', ''),
  ('create_api_token',     'x', '', '', ''),
  ('explain_recipient',    'x', 'x', '', 'x'),
  ('grant',                '', '', 'x', ''),
  ('heartbeat',            '', '', 'x', ''),
  ('help',                 'x', 'x', '', 'x'),
  ('integration_spec',     '', '', 'x', ''),
  ('job_spec',             '', '', 'x', ''),
  ('judge_reply',          'x', 'x', '', 'x'),
  ('list_integrations',    '', '', 'x', ''),
  ('pause_campaign',       'x', 'x', '', ''),
  ('plan_campaign',        'x', 'x', '', ''),
  ('preview',              'x', 'x', '', 'x'),
  ('recover_stale',        '', '', 'x', ''),
  ('replay',               '', '', 'x', ''),
  ('register_runner',      '', '', 'x', ''),
  ('release',              '', '', 'x', ''),
  ('report',               '', '', 'x', ''),
  ('report_integration_test', '', '', 'x', ''),
  ('report_relay',         '', '', 'x', ''),
  ('report_test_mail',     '', '', 'x', ''),
  ('resolve_uncertain',    'x', 'x', '', ''),
  ('resume_campaign',      'x', 'x', '', ''),
  ('retry_failed',         'x', 'x', '', ''),
  ('revoke_api_token',     'x', '', '', ''),
  ('send_test',            'x', 'x', '', ''),
  ('start_campaign',       'x', 'x', '', ''),
  ('take_integration_test', '', '', 'x', ''),
  ('take_test_mail',       '', '', 'x', ''),
  ('test_integration',     'x', 'x', '', ''),
  ('tick',                 'x', 'x', 'x', ''),
  ('unregister_runner',    '', '', 'x', ''),
  ('api_token',            '', '', '', ''),
  ('attempt',              '', '', '', ''),
  ('breaker',              '', '', '', ''),
  ('chunk',                '', '', '', ''),
  ('double_deliveries',    'r', 'r', '', 'r'),
  ('doubt',                '', '', '', ''),
  ('email_integrations',   'rawd', 'r*', '', 'r*'),
  ('signing_key',          'r*w*', '', '', ''),
  ('tracking_event',       '', '', '', ''),
  ('email_jobs',           'r', 'r', '', 'r'),
  ('email_templates',      'rawd', 'r', '', 'r'),
  ('integration_test',     '', '', '', ''),
  ('left_out',             'a', 'a', '', ''),
  ('pending_on_sent',      '', '', '', ''),
  ('proof',                '', '', '', ''),
  ('rate_bucket',          '', '', '', ''),
  ('recipient',            'a', 'a', '', ''),
  ('relay_connection',     '', '', '', ''),
  ('relay_state',          '', '', '', ''),
  ('relay_trouble',        '', '', '', ''),
  ('relay_usage',          '', '', '', ''),
  ('retry_item',           '', '', '', ''),
  ('runner',               '', '', '', ''),
  ('incarnation',          '', '', '', ''),
  ('segments',             'rawd', 'r', '', 'r'),
  ('setting',              'rawd', '', '', ''),
  ('smtp_providers',       'rawd', 'r', '', 'r'),
  ('smtp_rules',           'rawd', 'r', '', 'r'),
  ('suppressions',         'rawd', 'ra', '', 'r'),
  ('template_version',     '', '', '', ''),
  ('test_mail',            '', '', '', ''),
  ('tick_state',           '', '', '', ''),
  ('api_tokens',           'r', '', '', ''),
  ('campaign_progress',    'r', 'r', '', 'r'),
  ('campaign_stats',       'r', 'r', '', 'r'),
  ('email_events',         'r', 'r', '', 'r'),
  ('failed_deliveries',    'r', 'r', '', 'r'),
  ('integration_test_steps', 'r', 'r', '', 'r'),
  ('integration_tests',    'r', 'r', '', 'r'),
  ('recipient_state',      'r', 'r', '', 'r'),
  ('runners',              'r', 'r', '', 'r'),
  ('test_mails',           'r', 'r', '', 'r'),
  ('uncertain_deliveries', 'r', 'r', '', 'r'),
  ('record_bounce',        'x', 'x', '', ''),
  ('record_complaint',     'x', 'x', '', ''),
  ('rotate_signing_key',   'x', '', '', '');
insert into expected (name, admin, operator, runner, reader, server) values
  ('act_as',               '', '', '', '', 'x'),
  ('click_url',            'x', '', '', '', 'x'),
  ('now',                  'x', 'x', 'x', 'x', 'x'),
  ('record_click',         'x', '', '', '', 'x'),
  ('record_events',        'x', '', '', '', 'x'),
  ('record_open',          'x', '', '', '', 'x'),
  ('record_unsubscribe',   'x', '', '', '', 'x'),
  ('unsubscribe_state',    'x', '', '', '', 'x');

create function rights(p_role text, p_function oid) returns text language sql as $$
  select case when has_function_privilege(p_role, p_function, 'execute') then 'x' else '' end
$$;
create function rights_on(p_role text, p_relation oid) returns text language sql as $$
  select coalesce(string_agg(case
      when has_table_privilege(p_role, p_relation, p.name) then p.letter
      when p.of_columns and has_any_column_privilege(p_role, p_relation, p.name) then p.letter || '*' end, '' order by p.n), '')
  from (values (1, 'select', 'r', true), (2, 'insert', 'a', true), (3, 'update', 'w', true), (4, 'delete', 'd', false),
    (5, 'truncate', 'D', false), (6, 'references', 'x', true), (7, 'trigger', 't', false)) as p (n, name, letter, of_columns)
$$;

create temporary table object as
select p.proname::text as name, r.role, rights(r.role, p.oid) as rights
from pg_proc p, unnest('{campaign_admin,campaign_operator,campaign_runner,campaign_reader,campaign_server,public}'::text[]) r (role)
where p.pronamespace = 'campaign'::regnamespace and p.proname !~ '^_'
union all
select c.relname::text, r.role, rights_on(r.role, c.oid)
from pg_class c, unnest('{campaign_admin,campaign_operator,campaign_runner,campaign_reader,campaign_server,public}'::text[]) r (role)
where c.relnamespace = 'campaign'::regnamespace and c.relkind not in ('i', 'I', 'S', 't', 'c');

select set_eq($$
    select name, max(rights) filter (where role = 'campaign_admin') as admin, max(rights) filter (where role = 'campaign_operator') as operator,
      max(rights) filter (where role = 'campaign_runner') as runner, max(rights) filter (where role = 'campaign_reader') as reader, max(rights) filter (where role = 'campaign_server') as server,
      max(rights) filter (where role = 'public') as public
    from object group by name $$,
  'select * from expected', 'functions, tables and views');
select is_empty('select name from object group by name having count(*) > 6', 'each name is there once');

select set_eq($$ select p.proname::text from pg_proc p where p.pronamespace = 'campaign'::regnamespace and p.proname ~ '^_' and rights('campaign_operator', p.oid) <> ''
  and rights('campaign_reader', p.oid) = '' $$,
  '{_audience,_audience_statement,_check_event,_check_fit,_counted,_check_start,_excluded_text,_filling_job,_fold_address,_mailed_already,_notice,_read_audience,_runners_alive,_start_open,_start_seal}'::text[],
  'the parts of start_campaign, which runs with the rights of its caller, are the operators''');
select set_eq($$ select p.proname::text from pg_proc p where p.pronamespace = 'campaign'::regnamespace and p.proname ~ '^_(?!api_)' and rights('campaign_reader', p.oid) <> '' $$,
  '{_default_dedupe_key,_find_job,_find_segment,_find_template,_may_be,_setting_interval}'::text[], 'what views and the API call is the readers''');
select set_eq($$ select p.proname::text from pg_proc p where p.pronamespace = 'campaign'::regnamespace and p.proname ~ '^_api_' and rights('campaign_reader', p.oid) = '' $$,
  '{_api_preview_draft}'::text[], 'who may use the API may call all that answers it, save for drafts');
select set_eq($$ select p.proname::text from pg_proc p where p.pronamespace = 'campaign'::regnamespace and p.proname ~ '^_api_' and p.prosecdef $$,
  '{_api_integrations,_api_preview_draft}'::text[], 'which has no rights but those of its caller, save for two');
select is_empty($$ select p.proname from pg_proc p, unnest('{campaign_runner,campaign_server,public}'::text[]) r
  where p.pronamespace = 'campaign'::regnamespace and p.proname ~ '^_' and rights(r, p.oid) <> ''
  and (r, p.proname) <> ('campaign_server', '_token_owner') $$, 'runners and the public have none, the server has one');
select set_eq($$ select p.proname::text from pg_proc p where p.pronamespace = 'campaign'::regnamespace and p.proname ~ '^_'
  and rights('campaign_admin', p.oid) <> rights('campaign_operator', p.oid) $$, '{_api_preview_draft}'::text[], 'admins none that operators have not, save for drafts of templates');
select set_eq($$ select a.attname::text from pg_attribute a where a.attrelid = 'campaign.email_integrations'::regclass and a.attnum > 0 and not a.attisdropped
    and has_column_privilege('campaign_reader', a.attrelid, a.attnum, 'select') $$,
  '{id,name,type,rate_limit,max_connections,daily_quota,is_default,revision,created_at}'::text[], 'of a relay all but its config is readable');
select is_empty($$ select c.relname, r from pg_class c, unnest('{campaign_admin,campaign_operator,campaign_runner,campaign_reader,campaign_server,public}'::text[]) r
  where c.relnamespace = 'campaign'::regnamespace and c.relkind = 'S' and has_sequence_privilege(r, c.oid, 'usage, select, update') $$, 'no sequence');

select * from finish();
rollback;
