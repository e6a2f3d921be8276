begin;
select plan(9);

-- Version 1, click, key 1, campaign 42, recipient 300, link 3, signed with 32 times the byte 7.
select 'AQIBKqwCA5_DkxlBiXOAlUUoO9kHFK4' as token \gset
select decode(repeat('07', 32), 'hex') as secret \gset

select results_eq($$ select * from campaign._read_token('AQIBKqwCA5_DkxlBiXOAlUUoO9kHFK4') $$, $$ values ('click', 1, 42::bigint, 300::bigint, 3) $$, 'a click');
select results_eq($$ select kind, link from campaign._read_token('AQEBKqwCn8OTGUGJc4CVRSg72QcUrg') $$, $$ values ('open', null::integer) $$, 'an open, made by nobody');
select results_eq($$ select kind, link from campaign._read_token('AQMBKqwCn8OTGUGJc4CVRSg72QcUrg') $$, $$ values ('unsubscribe', null::integer) $$, 'an unsubscription, made by nobody');
select is((select count(*) from unnest(array['', 'x', 'ñ', :'token' || '=', ' ' || :'token', left(:'token', 30), repeat('A', 100000)]) t, campaign._read_token(t)), 0::bigint,
  'anything else is no token');
select ok(campaign._token_is_genuine(:'token', :'secret'), 'who has the key made it');
select ok(not campaign._token_is_genuine(:'token', decode(repeat('08', 32), 'hex')), 'another key did not');
select ok(not campaign._token_is_genuine('AQIBKqwCBJ_DkxlBiXOAlUUoO9kHFK4', :'secret'), 'another link was not signed');
select ok(not campaign._token_is_genuine('x', :'secret'), 'nobody signs what is no token');
select ok(not campaign._token_is_genuine(:'token', '\x07'), 'a short key signs nothing');

select * from finish();
rollback;
