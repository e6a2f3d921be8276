begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(17);

select start_job(2) as job \gset
select start_job(2, p_scheduled_at => campaign.now() + interval '1 day') as scheduled \gset
select start_job(2) as held \gset
select campaign.pause_campaign(job_id(:held), 'for a look');
select start_job(2) as cancelled \gset
select campaign.cancel_campaign(job_id(:cancelled));

-- A runner died with the primary.
create function comes_back(p_runners integer[], p_remembers_from_us bigint default null) returns void language plpgsql as $$
begin
  perform advance('1 h');
  perform become_another('timeline');
  perform campaign.tick();
  perform replay(r, p_remembers_from_us => p_remembers_from_us) from unnest(p_runners) r;
  perform advance('59 s');
  perform campaign.tick();
end
$$;
create function undone(p_statement text) returns text language plpgsql as $$
declare
  v_found text;
begin
  execute p_statement;
  v_found := (select string_agg(concat_ws(' ', j.status, j.status_reason), E'\n' order by j.job_no) from campaign.email_jobs j);
  raise exception using errcode = 'UNDO0', message = v_found;
exception when sqlstate 'UNDO0' then return sqlerrm;
end
$$;

select matches(undone($$ select comes_back('{1}') $$), '^pending waiting for what', 'for a minute it is waited for');
select comes_back('{1}');
select advance('1 s');
select campaign.tick();
select matches((select status_reason from campaign.email_jobs where job_no = :job),
  '^this database is a promoted standby.*what it remembers ends at 2026-02-26 18:00:00\+00; 1 runner did not tell what they sent: host, process 2\. .*resume_campaign', 'then a person has to decide');
select results_eq('select job_no, status from campaign.email_jobs order by 1', format($$ values (%s::bigint, 'paused'), (%s, 'paused'), (%s, 'paused'), (%s, 'cancelled') $$, :job, :scheduled, :held, :cancelled),
  'about each campaign that has not ended');
select matches((select status_reason from campaign.email_jobs where job_no = :held), '^for a look; this database is', 'what was said before stays');
select is((select scheduled_at from campaign.email_jobs where job_no = :scheduled), timestamptz '2026-02-27 18:00+00', 'the schedule stays');
select start_job(2) as later \gset
select campaign.tick();
select is(status(:later), 'pending', 'a campaign that is started now lost nothing');
select results_eq('select job_no from claim(1, 5)', format('values (%s::bigint)', :later), 'and is worked on');
select campaign.resume_campaign(job_id(:job));
select results_eq('select job_no from claim(1, 5)', format('values (%s::bigint)', :job), 'as is one that a person resumes');
select throws_ok($$ select campaign.heartbeat(runner(2), '[]') $$, 'CP020', null, 'the other one comes back');
select is(replay(2, jsonb_build_array(lease(:scheduled, 1, 7, 1, '{}', '1 sent'))) -> 'unknown', '[]', 'and is heard');
select is(states(:scheduled), '1 sent, 2 pending', 'late is better than never');
select lives_ok($$ select campaign.heartbeat(runner(2), '[]') $$, 'it works again');

-- A dump restored elsewhere, a clone: nobody comes.
select advance('1 h');
delete from campaign.runner;
select become_another('database');
select campaign.register_runner(runner(3), 'host', 3, '0.1.0', 1);
select is_empty('select claim(3, 5)', 'a new runner knows nothing of before');
select advance('10 s');
select campaign.tick();
select matches((select status_reason from campaign.email_jobs where job_no = :job), '^this database is a restored dump or a clone; what it remembers ends at .*; no runner told what it sent\.', 'a clone is no twin that mails everybody again');
select campaign.resume_campaign(job_id(:held));
select isnt_empty('select claim(3, 5)', 'unless a person says so');

-- A runner that has forgotten.
select matches(undone($$ select campaign.register_runner(runner(3), 'host', 3, '0.1.0', 1), comes_back('{3}',
  (extract(epoch from campaign.now() + interval '1 s') * 1000000)::bigint), advance('1 s'), campaign.tick() $$), '1 runner did not remember all of it', 'nor is one whose memory ends too late enough');
select books_hold(:job);

select * from finish();
rollback;
