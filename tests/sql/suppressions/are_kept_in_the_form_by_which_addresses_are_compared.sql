begin;
\ir ../_fixtures.sql
select plan(5);

insert into campaign.suppressions (email) values (' Ada@Bücher.EXAMPLE ');
select results_eq('select email, reason from campaign.suppressions', $$ values ('ada@xn--bcher-kva.example', 'manual') $$, 'folded');
select throws_ok($$ insert into campaign.suppressions (email) values ('ADA@bücher.example') $$, '23505', null, 'one row per address');
select refused($$ insert into campaign.suppressions (email) values ('Ada <ada@example.com>') $$, 'CP008', '{address}', 'what is no address');
select refused($$ update campaign.suppressions set email = 'nobody' $$, 'CP008', '{address}', 'by an update too');
select throws_ok($$ insert into campaign.suppressions (email, reason) values ('b@example.com', 'whim') $$, 'CP008', null, 'an unknown reason');

select * from finish();
rollback;
