begin;
\ir ../_protocol.sql

select start_job(3) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 failed 550');
select campaign.send_test('letter', 'ada@example.com');
select id as relay from campaign.email_integrations \gset
analyze campaign.email_integrations;

-- All that somebody learns from a statement: its rows, or its error with DETAIL, HINT and CONTEXT.
create function learned(p_statement text) returns text language plpgsql as $$
declare
  v_row record;
  v_all text := '';
  v_detail text;
  v_hint text;
  v_context text;
begin
  for v_row in execute p_statement loop
    v_all := v_all || v_row::text;
  end loop;
  return v_all;
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint, v_context = pg_exception_context;
  return concat_ws(' | ', sqlstate, sqlerrm, v_detail, v_hint, v_context);
end
$$;

create temporary table tried (statement text);
grant select on tried to public;
insert into tried
select format(w.shape, c.relname)
from pg_class c, unnest(array['select * from campaign.%I', 'select to_jsonb(t) from campaign.%I t', 'explain (verbose, costs off) select * from campaign.%I',
  'explain (analyze, verbose) select * from campaign.%I']) w (shape)
where c.relnamespace = 'campaign'::regnamespace and c.relkind in ('r', 'v')
union all
select * from unnest(array[
  'select config from campaign.email_integrations',
  'select count(*) from campaign.email_integrations where config ->> ''password'' like ''h%''',
  'select i from campaign.email_integrations i',
  'update campaign.email_integrations set config = config',
  'update campaign.email_integrations set rate_limit = -1',
  'insert into campaign.email_integrations select * from campaign.email_integrations',
  'delete from campaign.email_integrations returning config',
  'select * from campaign._check_start(''custom'', ''letter'', null, null, ''{}'', null, ''select 1'', null)',
  'select * from campaign._start_open(''custom'', ''letter'', null, null, ''{}'', null, ''select 1'', null, null, ''hold'', false, false, null, null, false)',
  'select * from campaign._find_integration(null)',
  'select * from campaign._find_integration(''none'')',
  'select campaign._message_spec(config, ''{}'', null, null) from campaign.email_integrations',
  'select * from campaign.plan_campaign(''custom'', ''letter'', audience_query => ''select config::text as recipient_key, ''''a@example.com'''' as email, config as vars from campaign.email_integrations'')',
  'select * from campaign.start_campaign(''custom'', ''letter'', audience_query => ''select config::text as recipient_key, ''''a@example.com'''' as email, config as vars from campaign.email_integrations'')',
  'select * from campaign.start_campaign(''custom'', ''letter'', integration => ''none'', audience_query => ''select 1'')',
  'select * from campaign.send_test(''letter'', ''ada@example.com'')',
  'select * from campaign.send_test(''letter'', ''ada@example.com'', integration => ''none'')',
  'select * from campaign.send_test(''letter'', ''ada@example.com'', null)',
  'select * from campaign.test_integration()',
  'select * from campaign.test_integration(''none'')',
  'select * from campaign.add_integration(''smtp'', name => ''relay'', host => ''h'', from_email => ''a@example.com'')',
  'select * from campaign.preview(''letter'')',
  'select * from pg_catalog.pg_stats where schemaname = ''campaign''',
  'select * from pg_catalog.pg_statistic']) s;
insert into tried
select format(s, v.argument)
from (values
  ('select campaign.integration_spec(%L)', :'relay'), ('select campaign.job_spec(%L)', :'job'), ('select campaign.claim_chunks(%L, 1, ''[]'')', runner(1)::text),
  ('select campaign.take_test_mail(%L)', runner(1)::text), ('select campaign.take_integration_test(%L)', runner(1)::text), ('select * from campaign.explain_recipient(%L, ''p1@example.com'')', job_id(:job)::text),
  ('select * from campaign.check_campaign(%L)', job_id(:job)::text), ('select * from campaign.retry_failed(%L)', job_id(:job)::text),
  ('select * from campaign.resolve_uncertain(%L, ''sent'')', job_id(:job)::text), ('select * from campaign.pause_campaign(%L)', job_id(:job)::text),
  ('select * from campaign.resume_campaign(%L)', job_id(:job)::text), ('select * from campaign.cancel_campaign(%L)', job_id(:job)::text)) as v (s, argument);
select plan(5);

select ok(bool_or(learned(statement) ~ 'hunter2'), 'the owner of all finds the secret') from tried where statement ~ '^select' and statement !~ '_campaign|pg_statistic|pg_stats';
create role carmen in role campaign_operator;
create role rita in role campaign_reader;
create role eve;
set local role rita;
select is_empty($$ select statement from tried where learned(statement) ~ 'hunter2' $$, 'a reader never');
set local role eve;
select is_empty($$ select statement from tried where learned(statement) ~ 'hunter2|@example.com' $$, 'the public not even an address');
set local role carmen;
select is_empty($$ select statement from tried where learned(statement) ~ 'hunter2' $$, 'an operator never');
reset role;
select is((select status from campaign.email_jobs where job_no = :job), 'cancelled', 'though the operator was heard');

select * from finish();
rollback;
