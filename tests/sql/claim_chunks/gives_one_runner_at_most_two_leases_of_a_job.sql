begin;
\ir ../_protocol.sql
select plan(4);

select start_job(5, '{"chunk_size": 1}') as job \gset
select is((select array_agg(chunk_no) from claim(1, 5)), '{1,2}', 'two, though five were asked for');
select is_empty($$ select from claim(1, 5) $$, 'no third');
select is((select array_agg(chunk_no) from claim(2, 5)), '{3,4}', 'another runner has its own two');
select start_job(5, '{"chunk_size": 1}') as other \gset
select is((select count(*) from claim(1, 5) where job_no = :other), 2::bigint, 'another job counts by itself');

select * from finish();
rollback;
