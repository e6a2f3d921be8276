-- Guard: lowermark (the mark never falls; what was passed and not started comes back as a retry).
begin;
\ir ../_protocol.sql
select plan(8);

select start_job(5, '{"chunk_size": 5, "max_retries": 1}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 3);
select is(release(1, :job, 1, '1 sent, 2 returned, 3 returned'), '{"go": [], "mark": 3, "verdict": "ok"}', 'given back');
select results_eq('select state, mark, runner_id from campaign.chunk', $$ values ('ready', 3::bigint, null::uuid) $$, 'ready above the mark');
select cmp_ok(epoch_of(:job, 1), '>', :epoch::bigint, 'the lease is over');
select is((select array_agg(due order by pos) from campaign.retry_item), array[campaign.now(), campaign.now()], 'due now');
select is(release(1, :job, 1, '1 sent, 2 returned, 3 returned', :epoch) ->> 'verdict', 'fenced', 'repeated: nothing is left to give back');
select campaign.tick();
select results_eq('select positions from claim(2, 2) order by mark desc', $$ values ('{4,5}'::bigint[]), ('{2,3}'::bigint[]) $$, 'each is in one hand');
select report(2, c.job_no, c.chunk_no, c.last_pos) from campaign.chunk c where state = 'leased';
select report(2, c.job_no, c.chunk_no, null, case kind when 'range' then '4 sent, 5 sent' else '2 sent, 3 sent' end) from campaign.chunk c where state = 'leased';
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 sent, 2 sent, 3 sent, 4 sent, 5 sent', 'and had its one attempt');
select books_hold(:job);

select * from finish();
rollback;
