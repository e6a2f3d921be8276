begin;
\ir ../_protocol.sql
select plan(8);

create function looked_up() returns bigint language sql volatile as $$
  select coalesce(seq_tup_read, 0) + coalesce(idx_scan, 0) from pg_stat_xact_user_tables where schemaname = 'campaign' and relname = 'recipient'
$$;

select start_job(10, '{"chunk_size": 10}') as job \gset
select claim(1);
select report(1, :job, 1, 6);
select looked_up() as before \gset
select report(1, :job, 1, 10, '1 sent 250, 2 sent 250, 3 sent 250');
select is(looked_up(), :before::bigint, 'acceptances are counted as they come');
select is((select n_sent from campaign.chunk where job_no = :job and chunk_no = 1), 3::bigint, 'and counted right');
select report(1, :job, 1, 10, '1 sent 250, 2 sent 250, 3 sent 250');
select is((select n_sent from campaign.chunk where job_no = :job and chunk_no = 1), 3::bigint, 'once');

select report(1, :job, 1, 10, '4 deferred 450, 5 failed 550, 6 uncertain, 7 sent 250');
select is((select (n_sent, n_failed, n_uncertain)::text from campaign.chunk where job_no = :job and chunk_no = 1), '(4,1,1)', 'with other outcomes beside them');

-- Whom a retry reached is not counted again by the chunk that goes on.
select retry(1) as retry_no \gset
select report(1, :job, :retry_no, 4);
select report(1, :job, :retry_no, null, '4 sent 250');
select report(1, :job, 1, 10, '4 sent 250, 8 sent 250, 9 sent 250');
select is((select sum(n_sent) from campaign.chunk where job_no = :job), 7::numeric, 'nobody is counted twice after a retry');

select start_job(10, '{"chunk_size": 5}') as other \gset
insert into campaign.suppressions (email) values ('p3@example.com');
select claim(1);
select report(1, :other, 1, 4);
select is((select n_suppressed from campaign.chunk where job_no = :other and chunk_no = 1), 1::bigint, 'who may not be mailed any more is looked up, and counted');
select books_hold(:job);
select books_hold(:other);

select * from finish();
rollback;
