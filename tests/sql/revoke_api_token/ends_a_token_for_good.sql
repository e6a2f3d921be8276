begin;
\ir ../_fixtures.sql
select plan(7);
select token from campaign.create_api_token('dashboard', 'reader') \gset
create role server in role campaign_server;

set local session authorization server;
select is(campaign.act_as(:'token'), 'dashboard', 'it is accepted');
reset session authorization;
select set_clock('2026-02-26 19:00+00');
select lives_ok($$ select campaign.revoke_api_token('dashboard') $$, 'it is revoked');
set local session authorization server;
select throws_ok(format('select campaign.act_as(%L)', :'token'), 'CP030', null, 'and refused');
reset session authorization;
select set_clock('2026-02-26 20:00+00');
select lives_ok($$ select campaign.revoke_api_token('dashboard') $$, 'twice is as good as once');
select is(revoked_at, '2026-02-26 19:00+00', 'and changes nothing') from campaign.api_tokens;
select refused($$ select campaign.revoke_api_token('dashbord') $$, 'CP008', '{dashbord,create_api_token}', 'a name that there is not');
select campaign.create_api_token('script', 'reader');
select refused($$ select campaign.revoke_api_token(null) $$, 'CP008', '{There are: script.}', 'no name');

select * from finish();
rollback;
