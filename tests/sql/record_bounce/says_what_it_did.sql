-- Only another client can see notices: its statements run in a transaction of their own.
begin;
select plan(5);

select replace($$
begin;
insert into campaign.email_integrations (name, config, is_default) values ('relay', '{"host": "h", "port": 25, "from_email": "a@example.com"}', true);
insert into campaign.email_templates (name, slug, subject, html) values ('Hi', 'hi', 'Hi', '<p>Hi</p>');
insert into campaign.segments (name, query) values ('one', 'select ''1'' as recipient_key, ''ada@example.com'' as email, null::jsonb as vars');
set client_min_messages = warning;
select campaign.start_campaign('one', 'hi');
set client_min_messages = notice;
select campaign.record_bounce('ada@example.com', id) from campaign.email_jobs;
insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at) select job_no, 1, 1, 'sent', id, 1, campaign.now() from campaign.email_jobs;
select campaign.record_bounce('ada@example.com', id) from campaign.email_jobs;
select campaign.record_bounce('ada@example.com', id) from campaign.email_jobs;
select campaign.record_complaint('bob@example.com', id) from campaign.email_jobs;
select campaign.record_complaint('eve@example.com');
rollback;
$$, E'\n', ' ') as statements \gset
\set said `psql -X -q -o /dev/null -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c :'statements' 2>&1`

create temporary table notice as select n, line from regexp_split_to_table(:'said', E'\n') with ordinality as t (line, n);
select matches((select line from notice where n = 1), '^NOTICE:  the address is suppressed; campaign [0-9a-f-]{36} has not mailed it, so nothing was recorded there$', 'whoever did not get it yet');
select matches((select line from notice where n = 2), '^NOTICE:  the address was suppressed before; bounce recorded in campaign [0-9a-f-]{36}$', 'a bounce');
select matches((select line from notice where n = 3), '^NOTICE:  the address was suppressed before; campaign [0-9a-f-]{36} has this bounce already$', 'the same once more');
select matches((select line from notice where n = 4), '^NOTICE:  the address is suppressed; it is not a recipient of campaign [0-9a-f-]{36}, so nothing was recorded there$', 'whoever got no mail');
select is((select line from notice where n = 5), 'NOTICE:  the address is suppressed', 'no campaign');

select * from finish();
rollback;
