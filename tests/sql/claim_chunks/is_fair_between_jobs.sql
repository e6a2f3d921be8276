begin;
\ir ../_protocol.sql
select plan(3);

select start_job(9, '{"chunk_size": 1}') as big \gset
select start_job(1, '{"chunk_size": 1}') as small \gset
select is((select array_agg(job_no) from claim(1, 1)), array[:big::bigint], 'first come');
select is((select array_agg(job_no) from claim(2, 1)), array[:small::bigint], 'the job with fewer leases is next, though the older one has work');
select is((select array_agg(job_no) from claim(2, 1)), array[:big::bigint], 'then the older one');

select * from finish();
rollback;
