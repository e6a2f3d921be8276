begin;
\ir ../_protocol.sql
select plan(1);

select start_job(1) as job \gset
select claim(1);
update campaign.tick_state set alive_since = 'infinity';
select advance('25 h');
update campaign.tick_state set alive_since = 'infinity', last_tick_at = campaign.now();
select campaign.tick();
select is((select array_agg(pid) from campaign.runner), '{1}', 'but not one that holds a lease');

select * from finish();
rollback;
