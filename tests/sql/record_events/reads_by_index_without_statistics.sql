begin;
\ir ../_protocol.sql
create table public.guest (id integer, name text, email text);
insert into public.guest select g, 'N', format('p%s@example.com', g) from generate_series(1, 500) g;
insert into campaign.segments (name, query)
values ('guests', 'select id::text as recipient_key, email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.guest order by id');
\ir ../_tokens.sql
select plan(2);

select start_tracked() as job \gset
create temporary table event as
select jsonb_build_object('kind', 'click', 'token', token('click', :job, p, l), 'link_url', 'https://example.com', 'user_agent', :'browser') as e
from generate_series(1, 100) p, generate_series(1, 3) l;
select campaign.record_events(jsonb_agg(e)) from event;
delete from pg_statistic where starelid in ('campaign.tracking_event'::regclass, 'campaign.recipient'::regclass);
update pg_class set reltuples = -1, relpages = 0, relallvisible = 0 where oid in ('campaign.tracking_event'::regclass, 'campaign.recipient'::regclass);
create temporary view scans as
  select relname, seq_scan, coalesce(idx_scan, 0) as idx_scan from pg_stat_xact_user_tables
  where schemaname = 'campaign' and relname in ('tracking_event', 'recipient', 'email_jobs', 'template_version', 'signing_key');
create temporary table before as select * from scans;
select campaign.record_events(jsonb_agg(e)) from event;
select campaign.record_open(token('open', :job, 7), :'browser'), campaign.record_click(token('click', :job, 7, 1), :'browser'),
  campaign.record_unsubscribe(token('unsubscribe', :job, 7)), campaign.unsubscribe_state(token('unsubscribe', :job, 7)),
  campaign.record_bounce(message_id => format('<%s.%s@example.com>', replace(job_id(:job)::text, '-', ''), 7));
create temporary table after as select * from scans;
-- The test's own making of tokens looks for keys and campaigns as it likes.
select is_empty($$ select a.relname, a.seq_scan - b.seq_scan from after a join before b using (relname) where a.seq_scan > b.seq_scan and relname not in ('signing_key', 'email_jobs') $$,
  'no table is read from end to end');
select is((select count(*) from after a join before b using (relname) where a.idx_scan > b.idx_scan), 5::bigint, 'all went by index');

select * from finish();
rollback;
