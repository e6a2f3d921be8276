begin;
\ir ../_protocol.sql
select plan(8);

select start_job(5, '{"chunk_size": 5}') as job \gset
select claim(1);
select is(report(1, :job, 1, 5), '{"go": [1, 2, 3, 4, 5], "mark": 5, "verdict": "ok"}', 'all may be started');
select is(report(1, :job, 1, null, '1 sent 250, 2 failed 550, 3 deferred 451, 4 uncertain, 5 returned'), '{"go": [], "mark": 5, "verdict": "done"}', 'all are told');
select is(states(:job), '1 sent, 2 failed, 3 pending, 4 uncertain, 5 pending', 'what each recipient is now');
select results_eq($$ select pos, outcome, phase, smtp_code, detail, runner_id, at from campaign.attempt order by pos $$, $$ values
  (1::bigint, 'sent', 'dot', 250, 'reply', runner(1), campaign.now()), (2, 'failed', 'dot', 550, 'reply', runner(1), campaign.now()),
  (3, 'deferred', 'dot', 451, 'reply', runner(1), campaign.now()), (4, 'uncertain', 'dot', null, 'reply', runner(1), campaign.now()),
  (5, 'returned', 'dot', null, 'reply', runner(1), campaign.now()) $$, 'the facts');
select results_eq($$ select pos, due > campaign.now(), chunk_no from campaign.retry_item order by pos $$, $$ values (3::bigint, true, null::bigint), (5, false, null) $$,
  'deferred waits, returned is due now');
select results_eq($$ select pos, cause, decision, quiet_until - campaign.now() from campaign.doubt $$, $$ values (4::bigint, 'no reply to the final dot', null::text, interval '30 s') $$, 'uncertain is a doubt');
select results_eq($$ select state, n_sent, n_failed, n_uncertain, passed, recorded, dirty from campaign.chunk $$, $$ values ('done', 1::bigint, 1::bigint, 1::bigint, 5::bigint, 5::bigint, true) $$, 'the chunk counts');
select books_hold(:job);

select * from finish();
rollback;
