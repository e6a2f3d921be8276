begin;
\ir ../_protocol.sql
select plan(5);

select start_job(3, '{"chunk_size": 3}') as job \gset
select claim(1);
select report(1, :job, 1, 3);
select is(release(1, :job, 1, '1 sent') ->> 'verdict', 'done', 'the lease is over');
select is(states(:job), '1 sent, 2 uncertain, 3 uncertain', 'nobody is lost');
select is((select state from campaign.chunk), 'done', 'nothing is left of the chunk');
select is((select count(*) from campaign.doubt where cause = 'given back without an outcome'), 2::bigint, 'the cause is named');
select books_hold(:job);

select * from finish();
rollback;
