-- Plan pinned, as for claim_chunks: the tables are large before they have statistics.
create function campaign.record_events(p_events jsonb)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_now timestamptz := campaign.now();
  v_full boolean := exists (select from campaign.setting s where s.name = 'reader_details' and s.value = 'full');
  v_events campaign.tracking_event[];
begin
  if jsonb_typeof(p_events) is distinct from 'array' then
    raise exception using
      errcode = 'CP008',
      message = 'the events are not an array',
      detail = 'A batch is an array of objects; an event in it that makes no sense is left out, the others are recorded.',
      hint = 'Write [{"kind": "open", "token": "…", "user_agent": "…", "address": "192.0.2.1", "age_ms": 0}].';
  end if;

  select coalesce(array_agg(row(
      null, t.job_no, t.pos, t.kind, t.link,
      case when t.kind = 'click' then left(e.value ->> 'link_url', 2000) end,
      a.agent, a.family,
      campaign._reader_address(e.value ->> 'address', v_full),
      case when v_full then u.user_agent end,
      null,
      v_now - coalesce(case
        when jsonb_typeof(e.value -> 'age_ms') = 'number' then least(greatest((e.value ->> 'age_ms')::numeric, 0), 86400000)::double precision
      end, 0) * interval '1 ms')::campaign.tracking_event), '{}')
  into v_events
  from jsonb_array_elements(p_events) as e (value)
  cross join lateral campaign._genuine_token(e.value ->> 'token') t
  cross join lateral (
    select case when jsonb_typeof(e.value -> 'user_agent') = 'string' then left(e.value ->> 'user_agent', 1000) end as user_agent) u
  cross join lateral campaign._judge_agent(u.user_agent) a
  where t.kind = e.value ->> 'kind'
    and (t.kind = 'open' or (t.kind = 'click' and e.value ->> 'link_url' ~* '^https?://'));

  -- Else of two batches with half a burst each neither would see it. In one order, so that batches do not wait for each other.
  perform pg_advisory_xact_lock(b.bucket)
  from (
    select distinct hashtextextended('campaign reader', hashint8extended(e.job_no, e.pos) & 63) as bucket
    from unnest(v_events) e
    order by 1
  ) b;

  insert into campaign.tracking_event (job_no, pos, kind, link, link_url, agent, family, address, user_agent, at)
  select e.job_no, e.pos, e.kind, e.link, e.link_url, e.agent, e.family, e.address, e.user_agent, e.at
  from unnest(v_events) e;

  -- Nobody follows five links of a mail, or all there are, within a second; nor is such a mail looked at by whoever opened it
  -- then. All clicks of that time are looked at, once each: a flood of them hides nothing.
  with message as (
    select e.job_no, e.pos, min(e.at) - interval '1 s' as since, max(e.at) + interval '1 s' as until
    from unnest(v_events) e
    group by e.job_no, e.pos
  ),
  suspect as materialized (
    select m.*
    from message m
    where 3 <= (
      select count(distinct t.link)
      from campaign.tracking_event t
      where t.job_no = m.job_no and t.pos = m.pos and t.at between m.since and m.until and t.kind = 'click')
  ),
  click as (
    select s.job_no, s.pos, t.at, lag(t.at) over (partition by s.job_no, s.pos, t.link order by t.at) as earlier
    from suspect s
    join campaign.tracking_event t on t.job_no = s.job_no and t.pos = s.pos and t.at between s.since and s.until and t.kind = 'click'
  ),
  -- Of a second, the first click of each link counts: one at 'at' does so for the seconds that begin from the second before it (but
  -- after the earlier one) to 'at'. So as many links as are open at a time are followed within the second that begins there.
  edge as (
    select c.job_no, c.pos, e.at, e.turn, e.links
    from click c
    cross join lateral (values
      (greatest(c.at - interval '1 s', c.earlier), case when c.earlier >= c.at - interval '1 s' then 2 else 0 end, 1),
      (c.at, 1, 0),
      (c.at, 2, -1)) as e (at, turn, links)
  ),
  fast as materialized (
    select distinct o.job_no, o.pos, o.at, o.links
    from (
      select e.job_no, e.pos, e.at, e.turn, sum(e.links) over (partition by e.job_no, e.pos order by e.at, e.turn) as links
      from edge e
    ) o
    where o.turn = 1 and o.links >= 3
  ),
  start as (
    select f.job_no, f.pos, f.at
    from fast f
    where f.links >= 5
    union all
    select f.job_no, f.pos, f.at
    from (
      select g.job_no, g.pos, (
          -- Which token it is makes no difference to what counts as a link.
          select campaign._link_count(v.html, v.variables, r.email, j.public_url || '/unsubscribe?t=', r.vars, j.public_url)
          from campaign.recipient r
          join campaign.email_jobs j on j.job_no = r.job_no
          join campaign.template_version v on v.template_id = j.template_id and v.version = j.template_version
          where r.job_no = g.job_no and r.pos = g.pos) as in_all
      from fast g
      group by g.job_no, g.pos
      having min(g.links) < 5
    ) a
    join fast f on f.job_no = a.job_no and f.pos = a.pos
    where f.links < 5 and f.links >= a.in_all
  ),
  burst as (
    select s.job_no, s.pos, lower(r.seconds) as since, upper(r.seconds) as until
    from (select t.job_no, t.pos, range_agg(tstzrange(t.at, t.at + interval '1 s', '[]')) as all_seconds from start t group by t.job_no, t.pos) s
    cross join lateral unnest(s.all_seconds) as r (seconds)
  )
  update campaign.tracking_event t
  set agent = 'scanner'
  from burst b
  -- A scanner loads the mail, then follows its links.
  where t.job_no = b.job_no and t.pos = b.pos and t.at between b.since - interval '1 s' and b.until
    and (t.kind = 'open' or (t.kind = 'click' and t.at >= b.since)) and t.agent <> 'scanner';

  return cardinality(v_events);
end
$$;

comment on function campaign.record_events(jsonb) is
'Records what readers did, a batch at a time, for whoever serves the links: [{kind: open or click, token: as in the link, link_url: what click_url answered (clicks only), user_agent, address, age_ms: how long ago, at most a day}]. Returns how many were recorded; a token that is not genuine or of another kind, and anything else that makes no sense, is left out. Judges each: see column agent of tracking_event. CP008: not an array.';
