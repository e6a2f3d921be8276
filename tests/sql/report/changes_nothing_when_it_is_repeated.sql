-- Guards: lencount (only rows really inserted count), recovsent and noack (a runner may repeat a call until it is answered).
begin;
\ir ../_protocol.sql
select plan(7);

select start_job(4, '{"chunk_size": 4}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select is(report(1, :job, 1, 2), report(1, :job, 1, 2), 'the same call, the same answer');
select is(report(1, :job, 1, 4, '1 sent, 2 deferred'), '{"go": [3, 4], "mark": 4, "verdict": "ok"}', 'outcomes and a mark');
create temp table before as select c::text as row from campaign.chunk c union all select a::text from campaign.attempt a union all select i::text from campaign.retry_item i;
select advance('1 s');
select is(report(1, :job, 1, 4, '1 sent, 2 deferred'), '{"go": [3, 4], "mark": 4, "verdict": "ok"}', 'once more');
select set_eq($$ select c::text from campaign.chunk c union all select a::text from campaign.attempt a union all select i::text from campaign.retry_item i $$,
  'select row from before', 'no row is another one');
select report(1, :job, 1, null, '3 sent, 4 sent');
select is(report(1, :job, 1, null, '3 sent, 4 sent', :epoch), '{"go": [], "mark": 4, "verdict": "fenced"}', 'the last one repeated: the lease is over');
select is((select n_sent from campaign.chunk where chunk_no = 1), 3::bigint, 'nobody is counted twice');
select books_hold(:job);

select * from finish();
rollback;
