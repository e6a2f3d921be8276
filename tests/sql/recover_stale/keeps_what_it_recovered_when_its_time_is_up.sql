begin;
\ir ../_protocol.sql
select plan(4);

select start_job(2, '{"chunk_size": 1}') as job \gset
select claim(1, 2);
create function pg_temp.take_long() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
create trigger slow before update on campaign.chunk for each row when (old.chunk_no = 2) execute function pg_temp.take_long();
select fall_silent(1);
set local statement_timeout = '300ms';
select is(campaign.recover_stale(), 1, 'the first is recovered, though there was no time for the second');
select results_eq('select chunk_no, state from campaign.chunk order by 1', $$ values (1::bigint, 'ready'), (2, 'leased') $$, 'and kept');
select lives_ok('select campaign.tick()', 'a tick that has no time for it does not fail');
set local statement_timeout = 0;
drop trigger slow on campaign.chunk;
select campaign.recover_stale();
select is((select count(*) from campaign.chunk where state = 'ready'), 2::bigint, 'the other one later');

select * from finish();
rollback;
