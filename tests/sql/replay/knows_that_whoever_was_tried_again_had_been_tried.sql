begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(9);

-- The standby knows of a first attempt at 1 and 2 only; then a runner that is dead by now tried 3 to 6, and another one tried all again.
select start_job(8, '{"chunk_size": 8}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 deferred, 2 deferred');
select release(1, :job, 1);
select standby_receives();
select claim(1);
select report(1, :job, 1, 6);
select report(1, :job, 1, null, '3 deferred, 4 deferred, 5 deferred, 6 deferred');
select retry(2) as chunk \gset
select is((select positions from campaign.chunk where chunk_no = :chunk), '{1,2,3,4,5,6}', 'six are tried again');
select epoch_of(:job, :chunk) as retry_epoch \gset
select fail_over();

select replay(2, jsonb_build_array(lease(:job, :chunk, :retry_epoch, 5, '{5}', '1 failed 550, 2 sent, 3 sent, 4 deferred')));
select is(states(:job), '1 failed, 2 sent, 3 sent, 4 pending, 5 uncertain, 6 pending, 7 pending, 8 pending', 'what the other one tells');
select is((select mark from campaign.chunk where chunk_no = 1), 5::bigint, 'the chunk from which they came had passed them');
select results_eq('select pos, chunk_no from campaign.retry_item', $$ values (4::bigint, null::bigint) $$, 'who failed for good does not wait any more, who was deferred does once');
select results_eq($$ select pos from campaign.attempt where outcome = 'skipped' $$, $$ values (3::bigint) $$, 'of whom the mail is known the lost attempt does not matter');
select results_eq('select pos, chunk_no from campaign.doubt order by 1, 2', format('values (4::bigint, 1::bigint), (5, 1), (5, %s)', :chunk), 'of the others it is not known');
select books_hold(:job);

-- Whoever resumes mails nobody twice whom this runner told of.
select advance('61 s');
select campaign.tick();
select campaign.resume_campaign(job_id(:job));
select advance('10 min');
select campaign.heartbeat(runner(2), '[]');
select campaign.tick();
select claim(2, 2);
select report(2, c.job_no, c.chunk_no, c.last_pos) from campaign.chunk c where c.state = 'leased';
select set_eq(format('select unnest(campaign._open_positions(c)) from campaign.chunk c where c.job_no = %s', :job), array[6, 7, 8]::bigint[], 'who is in doubt is not sent to, nor whoever has the mail');
select books_hold(:job);

select * from finish();
rollback;
