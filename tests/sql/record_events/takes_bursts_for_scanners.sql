begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(22);
insert into campaign.email_templates (name, slug, subject, html)
select v.slug, v.slug, 'Hi', (select string_agg(format('<a href="https://example.com/%s">x</a>', g), ' ') from generate_series(1, v.n) g)
from (values ('seven', 7), ('three', 3), ('two', 2), ('four', 4)) v (slug, n);

update campaign.email_templates set html = html || '<a href="{{unsubscribe_url}}&amp;lang=de">Unsubscribe</a>' where slug = 'three';

-- 'open 0, click 1 200': what one reader did, and when in milliseconds; in one batch, or one by one.
create function read_it(p_job bigint, p_pos bigint, p_did text, p_batch boolean) returns text language plpgsql as $$
declare
  v_events jsonb;
begin
  select jsonb_agg(jsonb_build_object('kind', w[1], 'token', token(w[1], p_job, p_pos, case w[1] when 'click' then w[2]::integer end), 'link_url', 'https://example.com/1',
    'user_agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'age_ms', 60000 - w[cardinality(w)]::integer) order by n) into v_events
  from (select string_to_array(e, ' ') as w, n from string_to_table(p_did, ', ') with ordinality as t (e, n)) x;
  if p_batch then
    perform campaign.record_events(v_events);
  else
    perform campaign.record_events(jsonb_build_array(e)) from jsonb_array_elements(v_events) e;
  end if;
  return (select string_agg(case when agent = 'scanner' then 'S' when agent = 'human' then 'h' end, '' order by event_no) from campaign.tracking_event where job_no = p_job and pos = p_pos);
end
$$;
create function judged(p_template text, p_did text) returns text language sql as $$
  select case when a = b then a else format('in one batch %s, one by one %s', a, b) end
  from (select start_tracked(p_template) as job) j, read_it(j.job, 1, p_did, true) a, read_it(j.job, 2, p_did, false) b
$$;

select is(judged('seven', 'click 1 0, click 2 200, click 3 400, click 4 600, click 5 1000'), 'SSSSS', 'five links within a second');
select is(judged('seven', 'click 1 0, click 2 200, click 3 400, click 4 600, click 5 1001'), 'hhhhh', 'not if it took longer');
select is(judged('seven', 'click 1 0, click 2 200, click 3 400, click 4 600, click 4 700, click 1 800'), 'hhhhhh', 'the same link twice is one');
select is(judged('three', 'click 1 0, click 2 1, click 3 2'), 'SSS', 'all links there are, beside the one to unsubscribe');
select is(judged('three', 'click 1 0, click 2 1'), 'hh', 'not fewer');
select is(judged('four', 'click 1 0, click 2 1, click 3 2'), 'hhh', 'not all but one');
select is(judged('two', 'click 1 0, click 2 1'), 'hh', 'all of two is what people do');
select is(judged('three', 'open 0, click 1 100, open 200, click 2 300, click 3 400, open 1100, open 1101, open 2000'), 'SSSSSShh', 'opens of that second and the one before are the scanner''s, too');
select is(judged('three', 'open 0, click 1 1001, click 2 1002, click 3 1003'), 'hSSS', 'who opened it earlier was somebody else');
select is(judged('three', 'click 3 0, click 1 5000, click 2 5100, click 3 5200, click 3 9000'), 'hSSSh', 'what was done at other times is not');
select is(judged('three', 'click 3 900, click 1 0, click 2 500'), 'SSS', 'in whatever order they come');
select is(judged('seven', 'click 1 0, click 2 400, click 3 800, click 4 1200, click 5 1600, click 6 1700, click 7 1750, click 1 1800'), 'hhSSSSSS', 'only those that are of such a second');

-- A flood hides no burst, wherever in the second it comes; each is 300 clicks on one link, or on two.
create function flood(p_links integer, p_from integer) returns text language sql as $$
  select string_agg(format('click %s %s', 1 + g % p_links, p_from + g), ', ') from generate_series(1, 300) g
$$;
create function last_of_flood(p_template text, p_links integer, p_from integer, p_burst text, p_batch boolean) returns text language sql as $$
  select right(read_it(start_tracked(p_template), 1, concat_ws(', ', flood(p_links, p_from), p_burst), p_batch), 5)
$$;
select is(last_of_flood('seven', 2, 0, 'click 3 1400, click 4 1401, click 5 1402, click 6 1403, click 7 1404', b), 'SSSSS', format('a flood in the second before, in one batch: %s', b)) from unnest('{t,f}'::boolean[]) b;
select is(last_of_flood('seven', 2, 0, 'click 3 400, click 4 401, click 5 402, click 6 403, click 7 404', true), 'SSSSS', 'a flood in the same second');
select is(last_of_flood('three', 2, 0, 'click 3 1100, click 1 1101, click 2 1102, open 1103, open 1104', true), 'SSSSS', 'all links there are');
select is(last_of_flood('seven', 1, 0, 'click 1 400, click 1 401, click 2 402, click 3 403, click 3 404', true), 'hhhhh', 'a flood alone is no scanner');
select is(last_of_flood('seven', 2, 0, 'click 3 1301, click 4 1302, click 5 1303, click 6 1304, click 6 1305', true), 'hhhhh', 'nor with it does it take fewer links');

select start_tracked('three') as job \gset
select is(read_it(:job, 1, 'click 1 0, click 2 1', true) || read_it(:job, 2, 'click 3 2', true), 'hhh', 'three links, by two readers');
select is(read_it(:job, 1, 'click 3 3', true), 'SSS', 'the third later on: all of that reader are judged anew');
select is((select string_agg(agent, ' ') from campaign.tracking_event where job_no = :job and pos = 2), 'human', 'the other is not');
select is(read_it(:job, 1, 'open 500', true), 'SSSS', 'an open that comes after the burst and is of its second');

select * from finish();
rollback;
