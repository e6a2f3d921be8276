-- Guards: latecount (a late fact changes the counters), attemptno (a doubt does not take the place of the fact).
begin;
\ir ../_protocol.sql
select plan(8);

select start_job(5, '{"chunk_size": 5}') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 4);
select fall_silent(1);
select campaign.tick();
select is(states(:job), '1 uncertain, 2 uncertain, 3 uncertain, 4 uncertain, 5 pending', 'taken for dead');
select is(report(1, :job, 1, 5, '1 sent, 2 failed 550, 3 uncertain', :epoch), '{"go": [], "mark": 4, "verdict": "fenced"}', 'it lives, and may tell');
select is(states(:job), '1 sent, 2 failed, 3 uncertain, 4 uncertain, 5 pending', 'a fact ends the doubt');
select results_eq('select pos, decision, decided_by from campaign.doubt order by pos', $$ values (1::bigint, 'fact', 'report'), (2, 'fact', 'report'), (3, null, null), (4, null, null) $$, 'its own');
select campaign.tick();
select is((select (sent_count, failed_count, uncertain_count)::text from campaign.email_jobs), '(1,1,2)', 'the job counts them');
select is(report(1, :job, 1, null, '1 sent, 2 failed 550, 3 uncertain', :epoch) ->> 'verdict', 'fenced', 'told again');
select is((select (n_sent, n_failed, n_uncertain)::text from campaign.chunk), '(1,1,2)', 'nothing changes');
select books_hold(:job);

select * from finish();
rollback;
