-- A scripted set of readers: what they did is what the report of the meetup, the events and the results say.
begin;
\ir ../_fixtures.sql
insert into public.guest select g, 'Guest ' || g, format('guest%s@example.com', g) from generate_series(4, 10) g;
\ir ../_tokens.sql
select plan(8);

select start_tracked() as job \gset
select start_tracked() as other \gset
select play_runner();
create temporary table did (n integer generated always as identity, pos bigint, kind text, link integer, agent text, at interval default '1 h', job bigint);
insert into did (pos, kind, link, agent, at) values
  (1, 'open', null, :'browser', '1 h'), (1, 'open', null, :'browser', '2 h'), (1, 'open', null, :'google', '3 h'), -- Ada reads it three times
  (1, 'click', 1, :'browser', '3 h 1 min'), (1, 'click', 1, :'browser', '4 h'), (1, 'click', 3, :'browser', '5 h'), -- and follows two links, one twice
  (2, 'open', null, :'apple', '1 min'),                                                      -- Apple fetches Grace's image; she follows a link
  (2, 'click', 2, :'browser', '3 h'),
  (3, 'open', null, :'prefetch', '2 min'),                                                   -- Google prefetches Alan's
  (4, 'open', null, :'yahoo', '1 h'),                                                        -- Yahoo's proxy fetches when guest 4 looks
  (5, 'open', null, :'browser', '43 s'), (5, 'click', 1, :'browser', '43 s'), (5, 'click', 2, :'browser', '43.2 s'), (5, 'click', 3, :'browser', '43.4 s'), -- a scanner in disguise
  (6, 'click', 1, 'curl/8.5.0', '1 h'),                                                      -- and one that says so
  (7, 'click', 1, :'browser', '1 h');                                                        -- guest 7 reads without images; 8 to 10 do nothing
insert into did (pos, kind, agent, job) values (9, 'open', :'browser', :other);              -- guest 9 opens the other campaign's mail
select sum(campaign.record_events(e)) as recorded
from (
  select jsonb_build_array(jsonb_build_object('kind', d.kind, 'token', token(d.kind, coalesce(d.job, :job), d.pos, d.link), 'user_agent', d.agent, 'address', '192.0.2.7',
    'link_url', campaign.click_url(token(d.kind, coalesce(d.job, :job), d.pos, d.link)), 'age_ms', extract(epoch from interval '1 day' - d.at) * 1000)) as e
  from did d
  order by d.n
) x \gset
-- What is forged counts for nothing.
select campaign.record_open(signed(claim_of(1, 1, :job, 8), '\x00')), campaign.record_click(token('open', :job, 8)), campaign.record_open(token('click', :job, 8, 1)),
  campaign.record_open(token('unsubscribe', :job, 9)), campaign.record_open(left(token('open', :job, 9), -2)), campaign.record_open('');
select campaign.record_unsubscribe(token('unsubscribe', :job, 10), :'browser');
select is(:recorded, 17, 'all that was genuine was recorded');

set local search_path = campaign, public;
prepare report as
SELECT j.id, j.sent_count,
  COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')  AS unique_opens,
  COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click') AS unique_clicks,
  ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')::numeric  / j.sent_count * 100, 1) AS open_rate,
  ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click')::numeric / j.sent_count * 100, 1) AS click_rate
FROM email_jobs j LEFT JOIN email_events e ON e.job_id = j.id
GROUP BY j.id;
select bag_eq('report', format($$ select id, 10::bigint, o::bigint, c::bigint, r::numeric, q::numeric from email_jobs join (values (%s::bigint, 5, 5, 50.0, 50.0), (%s, 1, 0, 10.0, 0.0)) v (job_no, o, c, r, q) using (job_no) $$, :job, :other),
  'the report of the meetup, verbatim');

select results_eq(format('select event_type, count(*), count(distinct attendee_id) from email_events e join email_jobs j on j.id = e.job_id where j.job_no = %s group by 1 order by 1', :job),
  $$ values ('click', 9::bigint, 5::bigint), ('open', 7, 5), ('sent', 10, 10), ('unsubscribe', 1, 1) $$, 'every time is an event');
select results_eq(format('select metadata - ''family'', e.created_at from email_events e join email_jobs j on j.id = e.job_id where j.job_no = %s and attendee_id = 2 and event_type <> ''sent'' order by 2', :job), $$ values
  ('{"ip": "192.0.2.0/24", "agent": "apple_mpp"}'::jsonb, timestamptz '2026-02-25 18:01+00'),
  ('{"ip": "192.0.2.0/24", "agent": "human", "link_url": "http://example.com/b"}', '2026-02-25 21:00+00') $$, 'with its details, and its time');
select is((select count(*) - count(distinct id) from email_events), 0::bigint, 'each has an id of its own');
select results_eq(format('select unique_opens, human_opens, unique_clicks, human_clicks, unsubscribes, open_rate, human_open_rate, click_rate, human_click_rate from campaign_stats join email_jobs j using (id) where job_no = %s', :job),
  $$ values (5::bigint, 2::bigint, 5::bigint, 3::bigint, 1::bigint, 50.0, 20.0, 50.0, 30.0) $$, 'what people did stands beside what anybody did');
select results_eq(format('select what, detail from email_jobs j, explain_recipient(j.id, ''grace@example.com'') e where job_no = %s and what in (''open'', ''click'') order by e.at', :job),
  $$ select event_type, concat_ws('; ', metadata ->> 'link_url', format('by %s (%s)', metadata ->> 'family', metadata ->> 'agent')) from email_events where attendee_id = 2 and event_type in ('open', 'click') order by created_at $$,
  'explain_recipient tells what one person did');
select is((select bool_and(holds) from email_jobs j, check_campaign(j.id)), true, 'the books hold');

select * from finish();
rollback;
