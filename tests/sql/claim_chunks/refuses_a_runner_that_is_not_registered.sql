begin;
\ir ../_protocol.sql
select plan(2);

select start_job(2) as job \gset
select throws_ok($$ select claim(9) $$, 'CP020');
select is_empty($$ select from campaign.chunk where state = 'leased' $$, 'nothing is leased');

select * from finish();
rollback;
