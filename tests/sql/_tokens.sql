-- A tracked campaign to Ada (1), Grace (2) and Alan (3), and tokens of its links: made here once more from their description, by
-- pgcrypto, so that the format is checked by a second maker. Included after _fixtures.sql.
create extension pgcrypto;
insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com');
insert into campaign.email_templates (name, slug, subject, html) values ('News', 'news', 'News for {{first_name}}',
  '<p><a href="https://example.com/a?name={{name}}">A</a> <a href="mailto:hello@example.com">Write</a> <a href="http://example.com/b">B</a> <a href="https://example.com/c?x=1&amp;y=2">C</a></p>');

create function varint(p_number numeric) returns bytea language sql immutable as $$
  select string_agg(set_byte('\x00', 0, mod(div(p_number, v.unit), 128)::integer + case when p_number >= 128 * v.unit then 128 else 0 end), '' order by v.unit)
  from (select power(128::numeric, g::numeric) as unit, g from generate_series(0, 9) g) v
  where v.g = 0 or p_number >= v.unit
$$;

create function base64url(p_bytes bytea) returns text language sql immutable as $$
  select rtrim(translate(replace(encode(p_bytes, 'base64'), E'\n', ''), '+/', '-_'), '=')
$$;

-- What is signed: version, kind, key, campaign, position, and the link of a click.
create function claim_of(p_kind integer, p_key_id numeric, p_job_no numeric, p_pos numeric, p_link numeric default null) returns bytea language sql immutable as $$
  select '\x01'::bytea || set_byte('\x00', 0, p_kind) || varint(p_key_id) || varint(p_job_no) || varint(p_pos) || coalesce(varint(p_link), '')
$$;

create function signed(p_claim bytea, p_secret bytea) returns text language sql immutable as $$
  select base64url(p_claim || substr(hmac(p_claim, p_secret, 'sha256'), 1, 16))
$$;

-- The token as it is in the mail; p_link: of a click.
create function token(p_kind text, p_job bigint, p_pos bigint, p_link integer default null) returns text language sql as $$
  select signed(claim_of(array_position('{open,click,unsubscribe}', p_kind), k.key_id, p_job, p_pos, p_link), k.secret)
  from campaign.email_jobs j
  join campaign.signing_key k on k.key_id = j.signing_key_id
  where j.job_no = p_job
$$;

create function start_tracked(p_template text default 'news') returns bigint language sql as $$
  select (campaign.start_campaign('guests', p_template, track_opens => true, track_clicks => true, allow_repeat => true)).job_no
$$;

-- What a reader did just now, for record_events.
create function did(p_kind text, p_job bigint, p_pos bigint, p_link integer default null) returns jsonb language sql as $$
  select jsonb_build_object('kind', p_kind, 'token', token(p_kind, p_job, p_pos, p_link), 'link_url', 'https://example.com',
    'user_agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0')
$$;

-- What was recorded, in order of time: 1 open human, 2 click 3 scanner, …
create function events(p_job bigint) returns text language sql as $$
  select coalesce(string_agg(concat_ws(' ', e.pos, e.kind, e.link, e.agent), ', ' order by e.at, e.event_no), 'nothing') from campaign.tracking_event e where e.job_no = p_job
$$;

\set browser 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
\set apple 'Mozilla/5.0'
\set google 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)'
\set yahoo 'YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html'
\set prefetch 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0'
