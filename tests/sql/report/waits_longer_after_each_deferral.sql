begin;
\ir ../_protocol.sql
select plan(5);

select start_job(1, '{"max_retries": 10}') as dropped \gset
select start_job(1, '{"max_retries": 10}') as answered \gset
create temp table wait (job_no bigint, nth bigint, seconds numeric);
do $$
declare
  v_chunk record;
begin
  for i in 1..9 loop
    for v_chunk in select * from claim(1, 2) loop
      perform report(1, v_chunk.job_no, v_chunk.chunk_no, 1);
      perform report(1, v_chunk.job_no, v_chunk.chunk_no, null, case when v_chunk.job_no = (select min(job_no) from campaign.email_jobs) then '1 deferred' else '1 deferred 451' end);
      insert into wait select i.job_no, (select count(*) from campaign.attempt a where a.job_no = i.job_no), extract(epoch from i.due - campaign.now())
      from campaign.retry_item i where i.job_no = v_chunk.job_no;
    end loop;
    perform advance('2 h');
    perform campaign.tick();
  end loop;
end
$$;
select is((select array_agg(seconds::integer order by nth) from wait where job_no = :dropped), '{1,2,4,8,8,8,8,8,8}', 'a dropped connection: 1, 2, 4, 8 s');
select is((select array_agg(nth order by nth) from wait where job_no = :answered and seconds between 0.75 * least(3600, 60 * 2 ^ (nth - 1)) and least(3600, 1.25 * 60 * 2 ^ (nth - 1))),
  '{1,2,3,4,5,6,7,8,9}', 'a 4xx answer: 60 s × 2ⁿ ± 25 %, at most an hour');
select start_job(200) as many \gset
select claim(2, 3);
select report(2, :many, 1, 200);
select report(2, :many, 1, null, (select string_agg(g || ' deferred 451', ', ') from generate_series(1, 200) g));
select cmp_ok((select count(distinct due) from campaign.retry_item where job_no = :many), '>', 100::bigint, 'they do not all come back at once');
select ok((select min(due) < campaign.now() + interval '50 s' and max(due) > campaign.now() + interval '70 s' from campaign.retry_item where job_no = :many), 'but spread over the range');
select books_hold(:many);

select * from finish();
rollback;
