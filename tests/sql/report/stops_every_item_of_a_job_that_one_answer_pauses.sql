begin;
\ir ../_protocol.sql
select plan(4);

select start_job(6, '{"chunk_size": 3}') as job \gset
select claim(1, 2);
select report(1, :job, 2, 4);
select is((select array_agg(a ->> 'verdict') from jsonb_array_elements(campaign.report(runner(1), jsonb_build_array(
    item(:job, 1, 3), item(:job, 2, 6) || jsonb_build_object('outcomes', jsonb_build_array(outcome(4, 'mail', '550 5.7.1 Sender not allowed')))))) a),
  '{stop,stop}', 'an item that comes before the one with the answer starts nothing either');
select is((select array_agg(mark order by chunk_no) from campaign.chunk where job_no = :job), '{0,4}', 'no mark moved');
select is((select status from campaign.email_jobs), 'paused', 'the campaign is paused');
select books_hold(:job);

select * from finish();
rollback;
