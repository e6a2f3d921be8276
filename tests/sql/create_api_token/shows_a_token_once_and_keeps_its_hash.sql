begin;
\ir ../_fixtures.sql
select plan(9);

create role anna in role campaign_admin;
set local role anna;
select id, token from campaign.create_api_token(' dashboard ', 'operator') \gset
reset role;
select matches(:'token'::text, '^pgc_[A-Za-z0-9_-]{43}$', 'a token is 256 random bits, as text');
select is(token_hash, sha256(:'token'::bytea), 'its hash is kept') from campaign.api_token where id = :'id';
select is(strpos(t::text, :'token'), 0, 'itself nowhere') from campaign.api_token t;
select is(concat_ws(' ', name, role, created_by, created_at = '2026-02-26 18:00+00', revoked_at), concat_ws(' ', 'dashboard operator', session_user, 't'),
  'and whose it is, and who made it') from campaign.api_tokens;
select columns_are('campaign', 'api_tokens', array['id', 'name', 'role', 'created_by', 'created_at', 'revoked_at'], 'no hash in the list');
select isnt(token, :'token'::text, 'each token is another') from campaign.create_api_token('script', 'reader');

select refused($$ select campaign.create_api_token('dashboard', 'reader') $$, 'CP011', '{dashboard,revoke_api_token}', 'a name stands for one token');
select campaign.revoke_api_token('dashboard');
select lives_ok($$ select campaign.create_api_token('dashboard', 'reader') $$, 'that holds');
select is((select array_agg(role order by revoked_at nulls last) from campaign.api_tokens where name = 'dashboard'), '{operator,reader}', 'what was revoked stays in the list');

select * from finish();
rollback;
