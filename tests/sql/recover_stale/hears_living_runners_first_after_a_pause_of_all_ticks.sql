begin;
\ir ../_protocol.sql
select plan(5);

select start_job(2) as job \gset
select claim(1);
select advance('10 s');
select campaign.tick();
select advance('1 h');
select campaign.tick();
select is((select state from campaign.chunk), 'leased', 'silent for an hour, but so was the database');
select is((select alive_since from campaign.tick_state), campaign.now(), 'it counts from now');
select advance('10 s'), campaign.tick() from generate_series(1, 3);
select is((select state from campaign.chunk), 'leased', '30 s later it may still be heard');
select advance('1 s');
select campaign.tick();
select is((select state from campaign.chunk), 'ready', 'then it is dead');
select claim(2);
select advance('-1 day');
select campaign.tick();
select is((select alive_since from campaign.tick_state), campaign.now(), 'a clock that jumps back is a pause too');

select * from finish();
rollback;
