begin;
\ir ../_fixtures.sql
select plan(8);
select token from campaign.create_api_token('dashboard', 'admin') \gset

create role carmen in role campaign_operator;
create role rita in role campaign_reader;
create role server in role campaign_server;
create function tried(p_role text, p_statement text) returns text language plpgsql as $$
begin
  perform set_config('role', p_role, true);
  execute p_statement;
  return 'done';
exception when others then
  return sqlstate;
end
$$;
select is(tried(role, $$ select campaign.create_api_token('another', 'reader') $$), '42501', role || ' makes none') from unnest('{carmen,rita,server}'::text[]) role;
select is(tried(role, 'select * from campaign.api_tokens'), '42501', role || ' sees none') from unnest('{carmen,rita}'::text[]) role;
create role anna in role campaign_admin;
select is(tried('anna', 'select * from campaign.api_token'), '42501', 'nobody reads a hash');
select is(tried('anna', format('select campaign._token_owner(%L)', :'token')), '42501', 'or asks whose a token is');
select is(tried('anna', format('select campaign.act_as(%L)', :'token')), '42501', 'or acts for it');

select * from finish();
rollback;
