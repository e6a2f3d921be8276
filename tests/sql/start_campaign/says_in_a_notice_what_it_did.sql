-- Only another client can see notices: its statements run in a transaction of their own.
begin;
select plan(6);

-- A shell argument is one line.
select replace($$
begin;
set local timezone = 'UTC';
insert into campaign.email_integrations (name, config, is_default) values ('relay', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true);
insert into campaign.email_templates (name, slug, subject, html) values ('Hi', 'hi', 'Hi', '<p>Hi</p>');
insert into campaign.segments (name, query)
values ('four', 'select g::text as recipient_key, case when g < 4 then ''g'' || g || ''@example.com'' end as email, null::jsonb as vars from generate_series(1, 4) g');
select campaign.start_campaign('four', 'hi', idempotency_key => 'k');
select campaign.start_campaign('four', 'hi', idempotency_key => 'k');
insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com');
select campaign.register_runner('00000000-0000-4000-8000-000000000001', 'h', 1, 'v', 1);
select campaign.start_campaign('four', 'hi', allow_repeat => true, scheduled_at => '2999-01-01 09:00+00');
rollback;
$$, E'\n', ' ') as statements \gset
\set said `psql -X -q -o /dev/null -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c :'statements' 2>&1`

create temporary table notice as select n, line from regexp_split_to_table(:'said', E'\n') with ordinality as t (line, n);
select matches((select line from notice where n = 1), '^NOTICE:  campaign [0-9a-f-]{36} started: 3 recipients of segment four \(left out: 1 invalid\); without unsubscribe links: public_url is not set$',
  'how many get it, who is left out, and that they cannot unsubscribe');
select is((select line from notice where n = 2), 'NOTICE:  no runner is alive: mail waits until there is one', 'that nobody is there to send it');
select matches((select line from notice where n = 3), '^HINT: .*campaign-runner run', 'and what to do about it');
select matches((select line from notice where n = 4), '^NOTICE:  campaign [0-9a-f-]{36} was started before with this idempotency key; nothing was started now$', 'that nothing new was started');
select matches((select line from notice where n = 5), '^NOTICE:  campaign [0-9a-f-]{36} will start at 2999-01-01 09:00:00\+00: 3 recipients', 'when it will start');
select matches((select line from notice where n = 5), '\(left out: 1 invalid\)$', 'and no more of links when there are some');

select * from finish();
rollback;
