begin;
\ir ../_protocol.sql
select plan(7);

select start_job(1, '{"max_retries": 2}', 'resend') as job \gset
select claim(1);
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 uncertain');
select is((select (decision, decided_by)::text from campaign.doubt), '(resend,on_uncertain)', 'decided by the policy');
select is((select due - campaign.now() from campaign.retry_item), interval '30 s', 'once nothing can be in flight');
select advance('29 s');
select campaign.tick();
select is_empty('select from claim(1)', 'not before');
select retry(1, '1 s') as retry \gset
select is(report(1, :job, :retry, 1) -> 'go', '[1]', 'its own doubt does not hold it back');
select report(1, :job, :retry, null, '1 uncertain');
select is(states(:job), '1 pending', 'a second time');
select retry(1) as last \gset
select report(1, :job, :last, 1);
select report(1, :job, :last, null, '1 uncertain');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 uncertain', 'after max_retries of them a person decides');
select books_hold(:job);

select * from finish();
rollback;
