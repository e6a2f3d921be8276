begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(9);

select start_tracked() as job \gset
select token('open', :job, 1) as open, token('click', :job, 2, 2) as click, token('unsubscribe', :job, 3) as unsubscribe \gset
create temporary table batch as
select jsonb_build_array(
  jsonb_build_object('kind', 'open', 'token', :'open', 'user_agent', :'browser', 'address', '192.0.2.1', 'age_ms', 1500),
  jsonb_build_object('kind', 'click', 'token', :'click', 'link_url', 'http://example.com/b', 'user_agent', :'browser', 'address', '2001:db8:1:2::3')) as good,
  jsonb_build_array(null, 1, 'x', '[]'::jsonb, '{}'::jsonb, true, jsonb_build_array(:'open'),
    jsonb_build_object('token', :'open'), jsonb_build_object('kind', 'open'), jsonb_build_object('kind', null, 'token', null),
    jsonb_build_object('kind', 'open', 'token', jsonb_build_object('a', :'open')), jsonb_build_object('kind', 'open', 'token', 1e300), jsonb_build_object('kind', 'open', 'token', jsonb_build_array(:'open')),
    jsonb_build_object('kind', 'open', 'token', repeat('A', 300000)), jsonb_build_object('kind', 'Open', 'token', :'open'), jsonb_build_object('kind', 'click', 'token', :'open', 'link_url', 'https://x'),
    jsonb_build_object('kind', 'unsubscribe', 'token', :'unsubscribe'), jsonb_build_object('kind', 'bounce', 'token', :'open'),
    jsonb_build_object('kind', 'click', 'token', :'click'), jsonb_build_object('kind', 'click', 'token', :'click', 'link_url', null), jsonb_build_object('kind', 'click', 'token', :'click', 'link_url', 'javascript:alert(1)'),
    jsonb_build_object('kind', 'click', 'token', :'click', 'link_url', 1), jsonb_build_object('kind', 'click', 'token', :'click', 'link_url', '')) as garbage,
  (select jsonb_agg(jsonb_build_object('kind', 'open', 'token', :'open') || e) as odd
   from jsonb_array_elements('[{"address": 1}, {"address": ""}, {"address": "nowhere"}, {"address": "192.0.2.1\n"}, {"address": "fe80::1%eth0"}, {"address": ["192.0.2.1"]}, {"address": null},
     {"age_ms": "soon"}, {"age_ms": -5}, {"age_ms": 1e300}, {"age_ms": null}, {"age_ms": {}}, {"user_agent": 1}, {"user_agent": ["x"]}, {"user_agent": null}, {"more": "than asked"}]') e) as odd,
  jsonb_build_object('kind', 'open', 'token', :'open', 'user_agent', repeat(E'\u202e\n', 100000)) as large
from (select) x;

select is((select campaign.record_events(good) from batch), 2, 'it answers how many it recorded');
select results_eq(format('select pos, kind, link, link_url, agent, family, address, at from campaign.tracking_event where job_no = %s order by pos', :job), $$ values
  (1::bigint, 'open', null::integer, null::text, 'human', 'Firefox', inet '192.0.2.0/24', timestamptz '2026-02-26 17:59:58.5+00'),
  (2, 'click', 2, 'http://example.com/b', 'human', 'Firefox', inet '2001:db8:1::/48', '2026-02-26 18:00+00') $$, 'each at its time');
select is((select campaign.record_events(garbage) from batch), 0, 'what makes no sense is left out');
select is((select campaign.record_events(garbage || good || garbage) from batch), 2, 'and takes nobody with it');
select is((select count(*) from campaign.tracking_event), 4::bigint, 'nothing else was recorded');
select is((select campaign.record_events(odd) from batch), (select jsonb_array_length(odd) from batch), 'an open is an open, whatever is odd about it');
select is((select (count(*) filter (where address is not null), min(at), max(at))::text from campaign.tracking_event where event_no > (select min(event_no) + 3 from campaign.tracking_event)),
  '(0,"2026-02-25 18:00:00+00","2026-02-26 18:00:00+00")', 'without the odd part; nothing is older than a day, nor of the future');
select is((select campaign.record_events(jsonb_build_array(large)) from batch), 1, 'a user agent without end');
select refused(format('select campaign.record_events(%L)', v), 'CP008', '{array,"{\"kind\": \"open\""}', 'no batch: ' || coalesce(v, 'null')) from unnest(array['{}']) v;

select * from finish();
rollback;
