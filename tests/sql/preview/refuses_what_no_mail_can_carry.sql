begin;
\ir ../_fixtures.sql
select plan(7);

select refused($$ select campaign.preview('thanks', vars => '{"name": -1e999, "first_name": "x"}') $$, 'CP009', '{±10¹⁵,jsonb_build_object}', 'a number that is no double');
select refused($$ select campaign.preview('thanks', vars => '{"name": {"a": 1}, "first_name": "x"}') $$, 'CP009', '{vars is an object}', 'an object in an object');
select refused($$ select campaign.send_test('thanks', 'b@example.com', '{"name": ["a"], "first_name": "x"}') $$, 'CP009', '{vars is an object}', 'nor does a test mail');
select refused($$ select campaign.preview('thanks', vars => null) $$, 'CP008', '{Leave them out}', 'no vars');
select refused($$ select campaign.preview('thanks', email => null) $$, 'CP008', '{Leave them out}', 'no address');

select refused($$ select campaign.preview('thanks', vars => jsonb_build_object('name', repeat('x', 65537), 'first_name', 'x')) $$, 'CP009', '{the value of name has more than 64 kB,or the vars}', 'a value longer than a mail');
select refused($$ select campaign.preview('thanks', vars => '{"first_name": "x"}') $$, 'CP009', '{undefined value,Give each variable a value}', 'a variable without a value');

select * from finish();
rollback;
