begin;
\ir ../_protocol.sql
select plan(32);

-- Outcomes of positions, each with a reply; %s is the position.
create function replies(p_job bigint, p_chunk bigint, p_from bigint, p_to bigint, p_reply text) returns void language sql as $$
  select campaign.report(runner(1), jsonb_build_array(item(p_job, p_chunk) || jsonb_build_object('outcomes', (
    select jsonb_agg(outcome(g, 'dot', replace(p_reply, '%s', g::text))) from generate_series(p_from, p_to) g))))
$$;
create function begun(p_n integer, p_config jsonb default '{}') returns bigint language plpgsql as $$
declare
  v_job bigint := start_job(p_n, '{"concurrency": 100}' || p_config);
begin
  perform claim(1);
  perform report(1, v_job, 1, p_n);
  return v_job;
end
$$;

select begun(60) as job \gset
select replies(:job, 1, 1, 20, '250 ok');
select replies(:job, 1, 21, 40, '550 5.7.1 Message <p%s@example.com> of 10.0.0.%s rejected, id q%s');
select campaign.tick();
select is(status(:job), 'paused', 'twenty of the last twenty-five');
select is((select status_reason from campaign.email_jobs where job_no = :job),
  '20 of the last 20 recipients failed by the same answer (dot): 550 5.7.1 Message <p40@example.com> of 10.0.0.40 rejected, id q40. Mend the cause, then resume_campaign: 20 recipients are then tried again',
  'the reason names the answer and who is put back');
select is((select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) as n from campaign.recipient_state where job_no = :job group by state) s), 'pending 40, sent 20', 'who failed by it is pending again');
select books_hold(:job);
select campaign.tick();
select is((select failed_count from campaign.email_jobs where job_no = :job), 0::bigint, 'the counters follow');

-- Mails that were under way.
select replies(:job, 1, 41, 44, '550 5.7.1 Message <p%s@example.com> of 10.0.0.%s rejected, id q%s');
select replies(:job, 1, 45, 45, '550 5.1.1 nobody');
select replies(:job, 1, 46, 46, '554 5.7.1 something else');
select campaign.tick();
select is((select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) as n from campaign.recipient_state where job_no = :job group by state) s), 'failed 2, pending 38, sent 20', 'meet the same answer and are put back too, no others');
select matches((select status_reason from campaign.email_jobs where job_no = :job), ': 24 recipients are then tried again$', 'and counted');
select books_hold(:job);

select campaign.resume_campaign(job_id(:job));
select replies(:job, 1, 47, 52, '550 5.7.1 Message <p%s@example.com> of 10.0.0.%s rejected, id q%s');
select campaign.tick();
select isnt(status(:job), 'paused', 'old failures do not pause it again');
select is((select count(*) from campaign.recipient_state where job_no = :job and state = 'failed'), 8::bigint, 'nor are new ones put back');
select advance('1 s');
select retry(1, '0 s') as again \gset
select report(1, :job, :again, 60);
select replies(:job, :again, 21, 39, '250 ok');
select campaign.tick();
select isnt(status(:job), 'paused', 'what is mended goes on');
select books_hold(:job);

-- Where it is the recipients' fault.
select begun(30) as nobody \gset
select replies(:nobody, 1, 1, 30, '550 5.1.1 no such user');
select campaign.tick();
select is(status(:nobody) || ' ' || (select failed_count from campaign.email_jobs where job_no = :nobody), 'failed 30', 'bad addresses pause nothing');
delete from campaign.suppressions;
select begun(30) as mixed \gset
select replies(:mixed, 1, 1, 19, '550 5.7.1 policy');
select replies(:mixed, 1, 20, 24, '250 ok');
select replies(:mixed, 1, 25, 30, '550 5.7.1 other');
select campaign.tick();
select is(status(:mixed), 'completed', 'nineteen are not enough, nor two answers');
select begun(30) as blocked \gset
select replies(:blocked, 1, 1, 30, '550 5.7.1 policy');
select campaign.tick();
select is(status(:blocked), 'paused', 'a campaign does not end by it');
select is(states(:blocked) ~ 'failed', false, 'nobody has failed');
select books_hold(:blocked);

-- A report is one moment: of ninety outcomes the last twenty-five count.
select begun(90) as good \gset
select campaign.report(runner(1), jsonb_build_array(item(:good, 1) || jsonb_build_object('outcomes', (
  select jsonb_agg(outcome(g, 'dot', case when g % 3 = 0 then '550 5.7.1 policy' else '250 ok' end)) from generate_series(1, 90) g))));
select campaign.tick();
select is(status(:good), 'completed', 'thirty of ninety, spread, are not it');
select begun(90) as bad \gset
select campaign.report(runner(1), jsonb_build_array(item(:bad, 1) || jsonb_build_object('outcomes', (
  select jsonb_agg(outcome(g, 'dot', case when g > 65 then '550 5.7.1 policy' else '250 ok' end)) from generate_series(1, 90) g))));
select campaign.tick();
select is(status(:bad), 'paused', 'the last twenty-five of ninety are');

-- Failures without an answer, and those that a person had tried again.
select begun(25, '{"max_retries": 1}') as lost \gset
select campaign.report(runner(1), jsonb_build_array(item(:lost, 1) || jsonb_build_object('outcomes', (
  select jsonb_agg(jsonb_build_object('pos', g, 'outcome', 'failed', 'phase', 'render', 'verdict', 'fail', 'detail', 'undefined value')) from generate_series(1, 25) g))));
select campaign.tick();
select matches((select status_reason from campaign.email_jobs where job_no = :lost), '^25 of the last 25 .*render.*undefined value', 'a template that cannot be rendered is such an answer');
select campaign.resume_campaign(job_id(:lost));
select advance('1 s');
select retry(1, '0 s') as rendered \gset
select report(1, :lost, :rendered, 25);
select campaign.report(runner(1), jsonb_build_array(item(:lost, :rendered) || jsonb_build_object('outcomes', (
  select jsonb_agg(jsonb_build_object('pos', g, 'outcome', 'failed', 'phase', 'render', 'verdict', 'fail', 'detail', 'undefined value')) from generate_series(1, 25) g))));
select campaign.tick();
select is(status(:lost), 'paused', 'the same again pauses it again');
select is((select count(*) from campaign.recipient_state where job_no = :lost and state = 'pending'), 25::bigint, 'and everybody waits again');
select books_hold(:lost);

-- Who may not be mailed any more stays failed.
insert into campaign.suppressions (email) values ('p3@example.com');
select begun(25) as suppressed \gset
select is((select total_contacts from campaign.email_jobs where job_no = :suppressed), 24::bigint, 'without the suppressed one');
insert into campaign.suppressions (email) values ('p5@example.com');
select replies(:suppressed, 1, 1, 24, '550 5.7.1 policy');
select campaign.tick();
select is((select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) as n from campaign.recipient_state where job_no = :suppressed group by state) s), 'failed 1, pending 23', 'all but the suppressed are put back');
select campaign.tick();
select is((select put_back from campaign.breaker where job_no = :suppressed), 23::bigint, 'once');
select campaign.retry_failed(job_id(:suppressed));
select campaign.cancel_campaign(job_id(:suppressed));
select campaign.tick();
select is(status(:suppressed), 'cancelled', 'it can be cancelled');
select books_hold(:suppressed);
select books_hold(:job);
select books_hold(:bad);
select is(campaign._said('550 Id=A1 <x@y>  Rejected by   Policy p'), 'rejected by policy p', 'what differs from mail to mail is dropped');

select begun(30, '{"max_retries": 1}') as dropped \gset
select report(1, :dropped, 1, null, (select string_agg(g || ' deferred', ', ') from generate_series(1, 25) g));
select campaign.tick();
select is(status(:dropped) || ' ' || (select failed_count from campaign.email_jobs where job_no = :dropped), 'running 25', 'lost connections are no answer');

select * from finish();
rollback;
