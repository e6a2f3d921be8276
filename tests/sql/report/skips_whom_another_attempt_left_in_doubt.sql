-- Guard: noguard.
begin;
\ir ../_protocol.sql
select plan(7);

select start_job(1, '{}', 'hold') as job \gset
select claim(1);
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 deferred 451');
select retry(1) as first \gset
select epoch_of(:job, :first) as epoch \gset
select report(1, :job, :first, 1);
select fall_silent(1);
select campaign.tick();
-- A person has it sent again, and again: the second time carries a recipient whose first resend is in doubt.
update campaign.doubt set decision = 'resend', decided_by = 'ada', decided_at = campaign.now();
update campaign.email_jobs set status = 'running', completed_at = null;
insert into campaign.retry_item values (:job, 1, campaign.now());
update campaign.chunk set n_uncertain = 0, dirty = true where chunk_no = :first;
select retry(2) as second \gset
select is(states(:job), '1 pending', 'in the hands of a retry chunk');
update campaign.doubt set decision = null, decided_by = null, decided_at = null;
select is(report(2, :job, :second, 1), '{"go": [], "mark": 1, "verdict": "done"}', 'an open doubt of another chunk: not sent');
select is((select outcome from campaign.attempt where chunk_no = :second), 'skipped', 'skipped');
select is(states(:job), '1 uncertain', 'it is uncertain');
select report(1, :job, :first, null, '1 deferred 451', :epoch);
select is(states(:job), '1 pending', 'until the fact is told, which was that it was not accepted');
select retry(2) as third \gset
select is(report(2, :job, :third, 1) -> 'go', '[1]', 'then it is tried again');
select books_hold(:job);

select * from finish();
rollback;
