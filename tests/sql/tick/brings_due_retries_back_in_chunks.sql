begin;
\ir ../_protocol.sql
select plan(6);

select start_job(5, '{"chunk_size": 3}') as job \gset
select claim(1, 2);
select report(1, :job, c, 5) from unnest(array[1, 2]) c;
select report(1, :job, 1, null, '1 deferred, 2 deferred, 3 deferred');
select report(1, :job, 2, null, '4 deferred, 5 deferred 451');
select campaign.tick();
select is_empty($$ select from campaign.chunk where kind = 'retry' $$, 'none is due');
select advance('1 s');
select campaign.tick();
select results_eq($$ select positions from campaign.chunk where kind = 'retry' order by chunk_no $$, $$ values ('{1,2,3}'::bigint[]), ('{4}') $$,
  'all that are due, as many in one as a chunk holds');
select is((select count(*) from campaign.retry_item i join campaign.chunk c using (job_no, chunk_no) where i.pos = any (c.positions)), 4::bigint, 'each is carried by one');
select campaign.tick();
select is((select count(*) from campaign.chunk where kind = 'retry'), 2::bigint, 'each once');
select is((select array_agg(pos) from campaign.retry_item where chunk_no is null), '{5}', 'what is not due waits');
select books_hold(:job);

select * from finish();
rollback;
