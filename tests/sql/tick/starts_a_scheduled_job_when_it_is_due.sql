begin;
\ir ../_protocol.sql
select plan(3);

select start_job(1, '{}', 'hold', campaign.now() + interval '1 h') as job \gset
select advance('59 min');
select campaign.tick();
select is(status(:job), 'scheduled', 'not yet');
select advance('1 min');
select campaign.tick();
select is(status(:job), 'pending', 'now');
select is((select count(*) from claim(1)), 1::bigint, 'a runner gets it');

select * from finish();
rollback;
