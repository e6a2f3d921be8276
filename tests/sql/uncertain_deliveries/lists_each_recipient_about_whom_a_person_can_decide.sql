begin;
\ir ../_protocol.sql
select plan(7);

select start_job(3) as job \gset
select claim(1);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 uncertain, 2 sent');
select is_empty('select from campaign.uncertain_deliveries where pos = 3', 'who is under way is not uncertain');
select set_eq('select job_id, pos, recipient_key, email, cause, since, quiet_until from campaign.uncertain_deliveries',
  format($$ values (%L::uuid, 1::bigint, '1', 'p1@example.com', 'no reply to the final dot', campaign.now(), campaign.now() + interval '30 s') $$, job_id(:job)), 'no reply to the final dot');
select fall_silent(1);
select heartbeat_at as heard from campaign.runner where runner_id = runner(1) \gset
select campaign.tick();
select is((select (cause, quiet_until)::text from campaign.uncertain_deliveries where pos = 3), ('the runner died', :'heard'::timestamptz + interval '650 s')::text, 'a runner that died: 20 + 630 s after it was heard last');
select is((select uncertain_count from campaign.email_jobs), (select count(*) from campaign.uncertain_deliveries), 'as many as are counted');

-- In doubt again after a resend.
select campaign.resolve_uncertain(job_id(:job), 'resend', '{p1@example.com}', true);
select chunk_no as again from claim(2) \gset
select report(2, :job, :again, 1);
select is((select array_agg(pos) from campaign.uncertain_deliveries), '{3}', 'who is mailed again is not uncertain meanwhile');
select report(2, :job, :again, null, '1 uncertain');
select is((select array_agg(pos order by pos) from campaign.uncertain_deliveries), '{1,3}', 'in doubt twice, listed once');
select books_hold(:job);

select * from finish();
rollback;
