-- Random walks, the same at each run: two campaigns with one dedupe key, two runners that die and are heard late, and a person
-- who pauses, resumes, tries again, decides, suppresses, cancels. The books hold after each step.
begin;
\ir ../_protocol.sql

create temporary table lease (runner integer, job_no bigint, chunk_no bigint, epoch bigint);
create temporary table broken (seed integer, step integer, op text, found text);

create function start_spring(p_on_uncertain text, p_allow_repeat boolean) returns void language plpgsql as $$
begin
  perform campaign.start_campaign('custom', 'letter', dedupe_key => 'spring', on_uncertain => p_on_uncertain, allow_repeat => p_allow_repeat,
    config => '{"chunk_size": 3, "max_retries": 2, "concurrency": 1}', audience_query => $q$
      select g::text as recipient_key, format('p%s@example.com', g) as email, '{"name": "N", "first_name": "F"}'::jsonb as vars
      from generate_series(1, 7) g$q$);
exception when sqlstate 'CP007' or sqlstate 'CP006' then null;
end
$$;

-- Outcomes for some of the positions that a chunk ever passed, half of them made of replies.
create function outcomes(p_job bigint, p_chunk bigint) returns jsonb language sql volatile as $$
  select coalesce(jsonb_agg(case
      when random() < 0.5 then jsonb_build_object('pos', p.pos, 'outcome', (array['sent', 'sent', 'failed', 'deferred', 'uncertain', 'returned'])[1 + floor(random() * 6)::integer])
      else outcome(p.pos, 'rcpt', (array['421 too much', '450 later', '452 4.2.2 full', '550 5.1.1 nobody', '550 5.7.1 policy', '554 5.7.1 relay access denied',
        '454 Daily message quota exceeded'])[1 + floor(random() * 7)::integer]) end), '[]')
      || case when random() < 0.3 and count(*) > 0 then jsonb_build_array(outcome(min(p.pos), 'mail', '421 too many messages in this session')) else '[]' end
  from campaign.chunk c, campaign._positions(c, c.first_pos - 1, c.mark) p (pos)
  where c.job_no = p_job and c.chunk_no = p_chunk and random() < 0.7
$$;

create function step(p_op text) returns void language plpgsql as $$
declare
  l record;
  v_job uuid := (select j.id from campaign.email_jobs j order by random() limit 1);
begin
  case p_op
    when 'claim' then
      insert into lease
      select r.n, c.job_no, c.chunk_no, epoch_of(c.job_no, c.chunk_no)
      from (select 1 + floor(random() * 2)::integer as n) r, claim(r.n) c;
    when 'report', 'release' then
      select * into l from lease order by (epoch = epoch_of(job_no, chunk_no)) desc, random() limit 1 offset floor(random() * 2)::integer;
      if not found then
        return;
      end if;
      if p_op = 'report' then
        perform campaign.report(runner(l.runner), jsonb_build_array(jsonb_build_object('job_no', l.job_no, 'chunk_no', l.chunk_no, 'epoch', l.epoch,
          'next_mark', (select c.last_pos from campaign.chunk c where c.job_no = l.job_no and c.chunk_no = l.chunk_no), 'outcomes', outcomes(l.job_no, l.chunk_no))));
      else
        perform campaign.release(runner(l.runner), jsonb_build_array(jsonb_build_object('job_no', l.job_no, 'chunk_no', l.chunk_no, 'epoch', l.epoch,
          'outcomes', outcomes(l.job_no, l.chunk_no))));
      end if;
    when 'die' then
      perform fall_silent(1 + floor(random() * 2)::integer);
      perform campaign.recover_stale();
    when 'tick' then
      perform campaign.tick();
    when 'wait' then
      perform advance(random() * interval '10 min');
      perform campaign.heartbeat(runner(1), known(1)), campaign.heartbeat(runner(2), known(2));
      perform campaign.tick();
    when 'pause' then perform campaign.pause_campaign(v_job);
    when 'resume' then perform campaign.resume_campaign(v_job);
    when 'retry' then perform campaign.retry_failed(v_job);
    when 'sent' then
      perform campaign.resolve_uncertain(v_job, 'sent', (select array_agg(u.email) from (select email from campaign.uncertain_deliveries where job_id = v_job order by random() limit 1) u));
    when 'resend' then perform campaign.resolve_uncertain(v_job, 'resend', force => random() < 0.5);
    when 'suppress' then insert into campaign.suppressions (email) values (format('p%s@example.com', 1 + floor(random() * 7)::integer)) on conflict do nothing;
    when 'cancel' then perform campaign.cancel_campaign(v_job);
    when 'start' then perform start_spring((array['hold', 'resend', 'assume_sent'])[1 + floor(random() * 3)::integer], random() < 0.3);
  end case;
exception when sqlstate 'CP011' then null; -- makes no sense in this state
end
$$;

-- Whoever can be decided about is listed, once, and nobody else.
create function listed_wrongly() returns text language sql as $$
  select string_agg(s.job_no || '/' || s.pos || ' ' || s.state, ', ')
  from campaign.recipient_state s
  where (s.state = 'uncertain') <> (1 = (select count(*) from campaign.uncertain_deliveries u where u.job_id = s.job_id and u.pos = s.pos))
    or (s.state = 'failed') <> (1 = (select count(*) from campaign.failed_deliveries f where f.job_id = s.job_id and f.pos = s.pos))
$$;

create function walk(p_seed integer, p_steps integer) returns void language plpgsql as $$
declare
  c_ops constant text[] := '{claim,claim,claim,claim,report,report,report,report,report,report,release,tick,tick,wait,wait,die,pause,resume,resume,retry,sent,resend}';
  v_op text;
  v_found text;
begin
  perform setseed(p_seed / 1000.0);
  perform start_spring('hold', false), start_spring('resend', true);
  for i in 1 .. p_steps loop
    v_op := case when random() < 0.02 then 'cancel' when random() < 0.02 then 'suppress' when random() < 0.03 then 'start'
      else c_ops[1 + floor(random() * cardinality(c_ops))::integer] end;
    perform step(v_op);
    select string_agg(concat_ws(' ', j.job_no, c.name, c.detail), '; ') into v_found
    from campaign.email_jobs j, campaign.check_campaign(j.id) c
    where not c.holds;
    v_found := coalesce(v_found, listed_wrongly());
    if v_found is not null then
      insert into broken values (p_seed, i, v_op, v_found);
      return;
    end if;
  end loop;
end
$$;

-- Each walk starts anew.
create function walk_undone(p_seed integer) returns text language plpgsql as $$
declare
  v_found text;
begin
  begin
    perform walk(p_seed, 120);
    select format('seed %s, step %s, %s: %s', b.seed, b.step, b.op, b.found) into v_found from broken b;
    raise exception using errcode = 'UNDO0';
  exception when sqlstate 'UNDO0' then return v_found;
  end;
end
$$;

select plan(1);
select is_empty($$ select w from generate_series(1, 4) seed, walk_undone(seed) w where w is not null $$, 'four walks of 120 steps');

select * from finish();
rollback;
