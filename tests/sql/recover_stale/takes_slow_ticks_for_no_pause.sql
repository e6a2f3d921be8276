begin;
\ir ../_protocol.sql
select plan(2);

-- Each is cut short by a statement_timeout of 10 s, and the next comes a second later.
select start_job(2) as job \gset
select campaign.tick();
select claim(1);
select advance('11 s'), campaign.tick() from generate_series(1, 2);
select is((select state from campaign.chunk), 'leased', 'silent for 22 s');
select advance('11 s'), campaign.tick() from generate_series(1, 2);
select is((select state from campaign.chunk), 'ready', 'dead after 30');

select * from finish();
rollback;
