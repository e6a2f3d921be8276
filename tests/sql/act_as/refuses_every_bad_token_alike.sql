begin;
\ir ../_fixtures.sql
select token from campaign.create_api_token('dashboard', 'admin') \gset
select token as revoked from campaign.create_api_token('old', 'admin') \gset
select campaign.revoke_api_token('old');
create role server in role campaign_server;

create function answer(p_token text) returns text language plpgsql as $$
declare
  v_detail text;
  v_hint text;
begin
  perform campaign.act_as(p_token);
  return 'accepted';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
  return concat_ws(' | ', sqlstate, sqlerrm, v_detail, v_hint);
end
$$;
create temporary table bad as
select overlay(:'token' placing case substr(:'token', g, 1) when 'x' then 'y' else 'x' end from g for 1) as token from generate_series(1, length(:'token')) g
union all
select t from unnest(array[null, '', ' ', :'revoked', left(:'token', -1), :'token' || 'x', :'token' || ' ', ' ' || :'token', upper(:'token'), repeat('x', 100000),
  'pgc_' || repeat('A', 43), encode(sha256(:'token'::bytea), 'hex'), 'dashboard', ''' or true --']) t;
grant select on bad to server;
select plan(4);

set local session authorization server;
select is(count(*), 61::bigint, 'there are many ways to be wrong') from bad;
select is(array_agg(distinct answer(token)),
  array['CP030 | this API token is not valid | It is unknown, or was revoked. | Send the header Authorization: Bearer TOKEN with a token of create_api_token.'],
  'and one answer') from bad;
select is(current_user, 'server', 'nobody has got any rights');
select is(answer(:'token'), 'accepted', 'the token itself is right');

select * from finish();
rollback;
