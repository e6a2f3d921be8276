begin;
\ir ../_protocol.sql
select plan(4);

select start_job(2, '{"chunk_size": 1}') as job \gset
select claim(1, 2);
alter table campaign.chunk add constraint broken check (chunk_no <> 1 or state <> 'ready');
select fall_silent(1);
select is(campaign.recover_stale(), 1, 'the other one is recovered');
select results_eq('select chunk_no, state from campaign.chunk order by 1', $$ values (1::bigint, 'leased'), (2, 'ready') $$, 'the broken one stays');
alter table campaign.chunk drop constraint broken;
select lives_ok('select campaign.tick()', 'and is recovered once it is mended');
select is((select count(*) from campaign.chunk where state = 'ready'), 2::bigint, 'both');

select * from finish();
rollback;
