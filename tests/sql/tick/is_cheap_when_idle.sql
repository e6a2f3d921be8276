begin;
\ir ../_protocol.sql
select plan(3);

select start_job(400, '{"chunk_size": 2}') as job \gset
select claim(1);
select report(1, :job, 1, 2, '');
select campaign.tick();
create temp table before as select relname, seq_scan, n_tup_ins + n_tup_upd + n_tup_del as writes, seq_tup_read + coalesce(idx_tup_fetch, 0) as reads
from pg_stat_xact_user_tables where schemaname = 'campaign';
select campaign.tick();
create temp table after as select relname, seq_scan, n_tup_ins + n_tup_upd + n_tup_del as writes, seq_tup_read + coalesce(idx_tup_fetch, 0) as reads
from pg_stat_xact_user_tables where schemaname = 'campaign';
select set_eq('select relname from after join before using (relname) where after.writes > before.writes', array['tick_state'], 'it writes its own row only');
select is_empty($$ select relname from after join before using (relname) where relname in ('recipient', 'attempt', 'doubt') and after.reads > before.reads $$, 'it reads no recipient');
select is(current_setting('jit'), 'off', 'no plan is compiled');

select * from finish();
rollback;
