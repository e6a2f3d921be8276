-- Whatever is wrong with a token: nothing is recorded, nothing is answered, nothing is raised.
begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(14);

select start_tracked() as job \gset
select start_tracked() as other \gset
select key_id, secret from campaign.signing_key \gset

create temporary table bad (what text, token text);
insert into bad
select format('%s: byte %s, bit %s', k.kind, b, bit), base64url(set_byte(k.bytes, b, get_byte(k.bytes, b) # (1 << bit)))
from (
  select kind, decode(translate(t, '-_', '+/') || repeat('=', (4 - length(t) % 4) % 4), 'base64') as bytes
  from (values ('open', token('open', :job, 1)), ('click', token('click', :job, 1, 1)), ('unsubscribe', token('unsubscribe', :job, 1))) v (kind, t)
) k
cross join lateral generate_series(0, length(k.bytes) - 1) b
cross join generate_series(0, 7) bit;
select cmp_ok((select count(distinct split_part(what, ',', 1)) from bad), '>=', 63::bigint, 'each byte of each kind is changed in each of its bits');

insert into bad
select 'campaign, position or link of another''s MAC', base64url(claim || substr(hmac(other, :'secret'::bytea, 'sha256'), 1, 16))
from (values
  (claim_of(1, :key_id, :other, 1), claim_of(1, :key_id, :job, 1)), (claim_of(1, :key_id, :job, 2), claim_of(1, :key_id, :job, 1)),
  (claim_of(3, :key_id, :job, 1), claim_of(1, :key_id, :job, 1)), (claim_of(3, :key_id, :job, 1), claim_of(2, :key_id, :job, 1, 1)),
  (claim_of(2, :key_id, :job, 1, 2), claim_of(2, :key_id, :job, 1, 1)), (claim_of(2, :key_id, :job, 1, 1), claim_of(1, :key_id, :job, 1))) v (claim, other)
union all
select 'signed by us, of a recipient whom there is not', signed(c, :'secret')
from unnest(array[claim_of(1, :key_id, :job, 4), claim_of(1, :key_id, :job, 0), claim_of(1, :key_id, 4711, 1), claim_of(3, :key_id, 4711, 1),
  claim_of(2, :key_id, :job, 4, 1), claim_of(1, :key_id, 9223372036854775807, 1), claim_of(1, :key_id, :job, 9223372036854775808), claim_of(1, :key_id, :job, 18446744073709551616)]) c
union all
select 'signed by us, of a link that there is not', signed(c, :'secret')
from unnest(array[claim_of(2, :key_id, :job, 1, 0), claim_of(2, :key_id, :job, 1, 4), claim_of(2, :key_id, :job, 1, 2147483647), claim_of(2, :key_id, :job, 1, 4294967296)]) c
union all
select 'a key that there is not', signed(claim_of(k, n, :job, 1, case k when 2 then 1 end), :'secret') from generate_series(1, 3) k, unnest('{0,4711,2147483647,4294967296}'::numeric[]) n
union all
select 'another secret', signed(claim_of(k, :key_id, :job, 1, case k when 2 then 1 end), s) from generate_series(1, 3) k, unnest(array['', '\x00', sha256('guess')]) s
union all
select 'another kind or version', signed(c, :'secret')
from unnest(array[claim_of(0, :key_id, :job, 1), claim_of(4, :key_id, :job, 1), claim_of(255, :key_id, :job, 1), set_byte(claim_of(1, :key_id, :job, 1), 0, 2),
  claim_of(1, :key_id, :job, 1) || '\x01', claim_of(2, :key_id, :job, 1), claim_of(2, :key_id, :job, 1, 1) || '\x00', claim_of(1, :key_id, :job, 1) || '\x00']) c
union all
select 'a number longer than it need be', signed('\x0101'::bytea || varint(:key_id) || varint(:job) || '\x8100', :'secret')
union all
select 'written otherwise', w
from unnest(array[token('open', :job, 1), token('click', :job, 1, 1), token('unsubscribe', :job, 1)]) t
cross join lateral unnest(array[t || '=', t || '==', t || ' ', ' ' || t, t || 'A', t || t, left(t, -1), right(t, -1), left(t, 20), upper(t), lower(t), t || E'\n', '%' || t, replace(t, '_', '/') || '+']) w
union all
select 'no token', w
from unnest(array[null, '', ' ', '-', '=', 'A', 'AQE', 'test', 'preview', 'null', 'é', '💥', repeat('A', 200), repeat('A', 100000), '''; drop table campaign.email_jobs; --', '../..', '%00', '\x01']) w;

create function tried(p_token text) returns text language plpgsql as $$
begin
  return concat_ws(' ', campaign.record_open(p_token), coalesce(campaign.record_click(p_token), '-'), coalesce(campaign.click_url(p_token), '-'),
    campaign.record_unsubscribe(p_token), coalesce(campaign.unsubscribe_state(p_token), '-'),
    campaign.record_events(jsonb_build_array(
      jsonb_build_object('kind', 'open', 'token', p_token), jsonb_build_object('kind', 'click', 'token', p_token, 'link_url', 'https://evil.example'))));
exception when others then
  return sqlstate;
end
$$;
-- Links that there are not have genuine tokens: a batch may believe the server that names their address, see record_events.
select is_empty($$ select what, token, tried(token) from bad where what <> 'signed by us, of a link that there is not' and tried(token) is distinct from 'f - - f - 0' $$, 'nothing comes of any of them');
select is_empty($$ select token from bad where what = 'signed by us, of a link that there is not' and (campaign.record_click(token) is not null or campaign.click_url(token) is not null) $$,
  'nor of a link that there is not');
select is(events(:job) || events(:other), 'nothingnothing', 'nothing is recorded');
select is_empty('select from campaign.suppressions', 'nobody is suppressed');

create temporary table good as select kind, token(kind, :job, 1, case kind when 'click' then 1 end) as token from unnest('{open,click,unsubscribe}'::text[]) kind;
select is_empty($$ select from bad b join good g using (token) $$, 'none was a good one');
select results_eq($$ select kind, coalesce(campaign.record_click(token), '-') from good where kind <> 'click' order by 1 $$, $$ values ('open', '-'), ('unsubscribe', '-') $$, 'only a click''s leads anywhere');
select results_eq($$ select kind, campaign.record_open(token) from good where kind <> 'open' order by 1 $$, $$ values ('click', false), ('unsubscribe', false) $$, 'only an open''s is an open');
select results_eq($$ select kind, campaign.record_unsubscribe(token), campaign.unsubscribe_state(token) from good where kind <> 'unsubscribe' order by 1 $$,
  $$ values ('click', false, null::text), ('open', false, null) $$, 'only an unsubscribe link''s unsubscribes');
select is((select campaign.record_events(jsonb_agg(jsonb_build_object('kind', k, 'token', g.token, 'link_url', 'https://example.com')))
  from good g, unnest('{open,click,unsubscribe,bounce,complaint,sent,OPEN}'::text[]) k where k <> g.kind), 0, 'also in a batch');
select is(events(:job), 'nothing', 'a token of one kind does nothing of another');

select is((select campaign.record_open(token) from good where kind = 'open'), true, 'an open''s opens');
select is((select campaign.record_click(token) from good where kind = 'click'), 'https://example.com/a?name=Ada%20Lovelace', 'a click''s leads to its link');
select is((select campaign.record_unsubscribe(token) from good where kind = 'unsubscribe'), true, 'an unsubscribe link''s unsubscribes');

select * from finish();
rollback;
