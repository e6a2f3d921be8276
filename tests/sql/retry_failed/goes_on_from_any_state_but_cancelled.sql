begin;
\ir ../_protocol.sql
select plan(16);

create function fail_first(p_job bigint) returns void language sql as $$
  select claim(1);
  select report(1, p_job, 1, 1);
  select report(1, p_job, 1, null, '1 failed 550');
  select campaign.tick();
$$;
create function retry_positions(p_job bigint) returns text language sql as $$
  select string_agg(c.positions::text, ' ') from campaign.chunk c where c.job_no = p_job and c.kind = 'retry'
$$;

select start_job(2) as running \gset
select fail_first(:running);
select is((select status from campaign.retry_failed(job_id(:running))), 'running', 'running: it runs on');
select is(retry_positions(:running), '{1}', 'and tries again at once');
select books_hold(:running);
select release(1, :running, 1);

select campaign.pause_campaign(job_id(:running));
select is((select status from campaign.retry_failed(job_id(:running))), 'paused', 'paused: it stays paused');
select books_hold(:running);
select campaign.cancel_campaign(job_id(:running));
select throws_ok(format('select campaign.retry_failed(%L)', job_id(:running)), 'CP011', null, 'cancelled: it is refused');

select start_job(2) as paused \gset
select fail_first(:paused);
select release(1, :paused, 1);
select campaign.pause_campaign(job_id(:paused));
select campaign.retry_failed(job_id(:paused));
select is(retry_positions(:paused), null, 'a paused campaign cuts no work');
select is(states(:paused), '1 pending, 2 pending', 'though the recipient waits');
select campaign.resume_campaign(job_id(:paused));
select campaign.tick();
select is(retry_positions(:paused), '{1}', 'until it is resumed');
select books_hold(:paused);
select campaign.cancel_campaign(job_id(:paused));

select start_job(1) as failed \gset
select chunk_no from claim(2);
select report(2, :failed, 1, 1);
select report(2, :failed, 1, null, '1 failed 550');
select campaign.tick();
select is((select status || ': ' || status_reason from campaign.email_jobs where job_no = :failed), 'failed: nothing was sent', 'a campaign has failed');
select is((select status from campaign.retry_failed(job_id(:failed))), 'partial', 'failed: it goes on');
select is((select status_reason from campaign.email_jobs where job_no = :failed), null, 'and no longer says why it had failed');
select books_hold(:failed);

select start_job(1, '{}', 'hold', '2026-02-27') as scheduled \gset
select is((select status from campaign.retry_failed(job_id(:scheduled))), 'scheduled', 'scheduled: nobody has failed, nothing changes');
select books_hold(:scheduled);

select * from finish();
rollback;
