begin;
\ir ../_protocol.sql
select plan(6);

select start_job(9, '{"chunk_size": 9, "concurrency": 1, "rate_limit": 4}') as job \gset
select claim(1);
do $$
begin
  for p in 1..9 loop
    perform report(1, (select max(job_no) from campaign.email_jobs), 1, p);
    perform report(1, (select max(job_no) from campaign.email_jobs), 1, null, p || case when p in (2, 5, 9) then ' deferred 451' else ' sent' end);
  end loop;
end
$$;
select retry(1) as retry \gset
select is(report(1, :job, :retry, 4), '{"go": [2], "mark": 2, "verdict": "ok"}', 'the mark stands on a position');
select is(report(1, :job, :retry, 9), '{"go": [2, 5], "mark": 5, "verdict": "ok"}', 'the window counts positions');
select is(report(1, :job, :retry, 9, '2 sent, 5 sent'), '{"go": [9], "mark": 9, "verdict": "ok"}', 'to the last');
select is(report(1, :job, :retry, null, '9 sent') ->> 'verdict', 'done', 'done');
select campaign.tick();
select is(status(:job), 'completed', 'the end');
select books_hold(:job);

select * from finish();
rollback;
