begin;
\ir ../_protocol.sql
select plan(4);

select start_job(4) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select is((campaign.release(runner(1), jsonb_build_array(item(:job, 1) || jsonb_build_object('outcomes', jsonb_build_array(
    outcome(1, 'mail', '550 5.7.1 Sender not allowed'), jsonb_build_object('pos', 2, 'outcome', 'returned'))))) -> 0) - '{job_no,chunk_no,epoch}'::text[],
  '{"go": [], "mark": 2, "verdict": "ok"}', 'the lease is given back');
select is((select status || ': ' || status_reason from campaign.email_jobs),
  'paused: relay relay refuses the sender: 550 5.7.1 Sender not allowed. Use a from_email that this account may send from. Then resume_campaign.', 'the campaign is paused');
select is(states(:job), '1 pending, 2 pending, 3 pending, 4 pending', 'nobody has spent a try');
select books_hold(:job);

select * from finish();
rollback;
