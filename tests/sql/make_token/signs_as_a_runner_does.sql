begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(7);

\set secret '\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
create function made(p_kind text, p_key_id integer, p_job bigint, p_pos bigint, p_secret bytea default '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f') returns text language sql as $$
  select campaign._make_token(p_kind, p_key_id, p_job, p_pos, p_secret)
$$;
select is(made('open', 1, 2, 3), signed(claim_of(1, 1, 2, 3), :'secret'), 'an open');
select is(made('unsubscribe', 2147483647, 9223372036854775807, 128), signed(claim_of(3, 2147483647, 9223372036854775807, 128), :'secret'), 'an unsubscribe link, of large numbers');
select throws_ok(format('select made(%L, 1, 2, 3)', k), '22023', null, 'no token of kind ' || k) from unnest('{click,bounce}'::text[]) k;
select throws_ok($$ select made('open', 1, -2, 3) $$, '22023', null, 'none with a number below zero');
select throws_ok($$ select made('open', 1, 2, 3, '\x00') $$, '22023', null, 'none by a short secret');
select is(made(null, 1, 2, 3), null, 'none of nothing');

select * from finish();
rollback;
