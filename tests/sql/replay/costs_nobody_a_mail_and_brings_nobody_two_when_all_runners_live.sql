-- Random failovers, the same at each run: two runners as they are, each with its memory, send a campaign over a relay that writes
-- down what it accepts; the last commits are lost; both replay, with what is in flight; and they go on to the end.
begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(1);

create temporary table accepted (pos bigint, chunk_no bigint);
-- What a runner remembers. state: ahead → ready → flight → told or, until then, known; over: it has let the lease go.
create temporary table memory (runner integer, chunk_no bigint, epoch bigint, mark bigint, ending boolean default false, over boolean default false);
create temporary table task (runner integer, chunk_no bigint, epoch bigint, pos bigint, state text default 'ahead', outcome text);

create function called(p_runner integer, p_lease memory, p_verb text, p_mark bigint) returns void language plpgsql as $$
declare
  v_answer jsonb;
  v_item jsonb := (
    select lease((select max(j.job_no) from campaign.email_jobs j), p_lease.chunk_no, p_lease.epoch, null, '{}',
      coalesce(string_agg(t.pos || ' ' || t.outcome, ', '), '')) || jsonb_build_object('next_mark', p_mark)
    from task t
    where t.runner = p_runner and t.epoch = p_lease.epoch and t.chunk_no = p_lease.chunk_no and t.state = 'known');
begin
  execute format('select campaign.%s(runner($1), $2) -> 0', p_verb) into v_answer using p_runner, jsonb_build_array(v_item);
  update task t set state = 'told' where t.runner = p_runner and t.epoch = p_lease.epoch and t.chunk_no = p_lease.chunk_no and t.state = 'known';
  if v_answer ->> 'verdict' in ('ok', 'stop') and p_verb = 'report' then
    update task t
    set state = case when v_answer -> 'go' @> to_jsonb(t.pos) then 'ready' else 'told' end,
      outcome = case when not v_answer -> 'go' @> to_jsonb(t.pos) then 'returned' end
    where t.runner = p_runner and t.epoch = p_lease.epoch and t.chunk_no = p_lease.chunk_no and t.state = 'ahead' and t.pos <= (v_answer ->> 'mark')::bigint;
    update memory m set mark = (v_answer ->> 'mark')::bigint, ending = m.ending or v_answer ->> 'verdict' = 'stop'
    where (m.runner, m.chunk_no, m.epoch) = (p_lease.runner, p_lease.chunk_no, p_lease.epoch);
  else
    update memory m set ending = true, over = v_answer ->> 'verdict' <> 'fenced' or p_verb = 'release'
    where (m.runner, m.chunk_no, m.epoch) = (p_lease.runner, p_lease.chunk_no, p_lease.epoch);
  end if;
end
$$;

create function act(p_runner integer) returns void language plpgsql as $$
declare
  v_lease memory;
  v_flights bigint;
begin
  select m.* into v_lease from memory m where m.runner = p_runner and not m.over order by random() limit 1;
  if v_lease is null or random() < 0.15 then
    with leased as (
      select c.* from campaign.claim_chunks(runner(p_runner), 1,
        (select coalesce(jsonb_agg(jsonb_build_object('job_no', (select max(j.job_no) from campaign.email_jobs j), 'chunk_no', m.chunk_no, 'epoch', m.epoch)), '[]')
         from memory m where m.runner = p_runner and not m.over)) c
    ),
    tasks as (insert into task (runner, chunk_no, epoch, pos) select p_runner, l.chunk_no, l.epoch, unnest(l.positions) from leased l)
    insert into memory (runner, chunk_no, epoch, mark) select p_runner, l.chunk_no, l.epoch, l.mark from leased l;
    return;
  end if;
  select count(*) into v_flights from task t where (t.runner, t.chunk_no, t.epoch) = (p_runner, v_lease.chunk_no, v_lease.epoch) and t.state = 'flight';
  if v_lease.ending then
    update task t set state = 'known', outcome = 'returned'
    where (t.runner, t.chunk_no, t.epoch) = (p_runner, v_lease.chunk_no, v_lease.epoch) and t.state = 'ready';
    if v_flights = 0 then
      perform called(p_runner, v_lease, 'release', null);
    end if;
  elsif random() < 0.4 then
    perform called(p_runner, v_lease, 'report', (
      select min(t.pos) from task t where (t.runner, t.chunk_no, t.epoch) = (p_runner, v_lease.chunk_no, v_lease.epoch) and t.state = 'ahead'));
  elsif random() < 0.05 then
    update memory m set ending = true where (m.runner, m.chunk_no, m.epoch) = (p_runner, v_lease.chunk_no, v_lease.epoch);
  else
    update task t set state = 'flight'
    where t.ctid in (select k.ctid from task k where (k.runner, k.chunk_no, k.epoch) = (p_runner, v_lease.chunk_no, v_lease.epoch) and k.state = 'ready' limit 2);
  end if;
end
$$;

-- The relay answers some of what is in flight.
create function answer(p_runner integer, p_all boolean) returns void language plpgsql as $$
begin
  with ended as (
    update task t
    set state = 'known', outcome = (array['sent', 'sent', 'sent', 'deferred', 'failed'])[1 + floor(random() * 5)::integer]
    where t.runner = p_runner and t.state = 'flight' and (p_all or random() < 0.5)
    returning t.pos, t.chunk_no, t.outcome
  )
  insert into accepted select e.pos, e.chunk_no from ended e where e.outcome = 'sent';
end
$$;

create function tells(p_runner integer) returns void language plpgsql as $$
begin
  update memory m set ending = true where m.runner = p_runner;
  update task t set state = 'known', outcome = 'returned' where t.runner = p_runner and t.state = 'ready';
  perform replay(p_runner, (
    select coalesce(jsonb_agg(lease((select max(j.job_no) from campaign.email_jobs j), m.chunk_no, m.epoch, m.mark,
      array(select t.pos from task t where (t.runner, t.chunk_no, t.epoch) = (m.runner, m.chunk_no, m.epoch) and t.state = 'flight'),
      coalesce((select string_agg(t.pos || ' ' || t.outcome, ', ') from task t where (t.runner, t.chunk_no, t.epoch) = (m.runner, m.chunk_no, m.epoch) and t.state in ('known', 'told')), ''))), '[]')
    from memory m
    where m.runner = p_runner));
  update task t set state = 'told' where t.runner = p_runner and t.state = 'known';
  update memory m set over = true
  where m.runner = p_runner and not exists (
    select from task t where (t.runner, t.chunk_no, t.epoch) = (m.runner, m.chunk_no, m.epoch) and t.state = 'flight');
end
$$;

create function goes_on(p_steps integer) returns void language plpgsql as $$
begin
  for i in 1 .. p_steps loop
    perform act(1 + floor(random() * 2)::integer);
    perform answer(1 + floor(random() * 2)::integer, false);
    if random() < 0.2 then
      perform advance(random() * interval '9 s'), campaign.heartbeat(runner(1), '[]'), campaign.heartbeat(runner(2), '[]');
      perform campaign.tick();
    end if;
  end loop;
end
$$;

create function found(p_job bigint) returns text language sql as $$
  select string_agg(f, '; ')
  from (
    select 'the books: ' || c.name || ' ' || c.detail as f from campaign.check_campaign(job_id(p_job)) c where not c.holds
    union all
    select format('%s was accepted %s times', a.pos, count(*)) from accepted a group by a.pos having count(*) > 1
    union all
    select format('%s is %s, and was accepted %s times', s.pos, s.state, count(a.pos))
    from campaign.recipient_state s
    left join accepted a on a.pos = s.pos
    where s.job_no = p_job and s.state in ('sent', 'failed')
    group by s.pos, s.state
    having (s.state = 'sent') <> (count(a.pos) = 1)
  ) x
$$;

create function sent_through_a_failover(p_seed integer) returns text language plpgsql as $$
declare
  v_job bigint;
  v_found text;
begin
  begin
    perform setseed(p_seed / 1000.0);
    v_job := start_job(9, '{"chunk_size": 4, "max_retries": 3, "concurrency": 2}');
    perform goes_on(floor(random() * 25)::integer);
    perform standby_receives();
    perform goes_on(floor(random() * 25)::integer);
    perform fail_over();
    perform answer(1, false), answer(2, false);
    for r in 1 .. 2 loop
      -- In either order, and it may be over for one before the other.
      perform tells(case when p_seed % 2 = 0 then r else 3 - r end);
      perform answer(1, false), answer(2, false);
      v_found := concat_ws('; ', v_found, found(v_job));
    end loop;
    perform advance('10 s'), campaign.tick();
    perform goes_on(20);
    v_found := concat_ws('; ', v_found, found(v_job));
    for i in 1 .. 400 loop
      exit when status(v_job) in ('completed', 'failed');
      perform answer(1, true), answer(2, true);
      perform act(1), act(2);
      if i % 5 = 0 then
        perform advance('20 s'), campaign.heartbeat(runner(1), '[]'), campaign.heartbeat(runner(2), '[]');
        perform campaign.tick();
      end if;
    end loop;
    v_found := nullif(concat_ws('; ', nullif(v_found, ''), found(v_job),
      case when status(v_job) not in ('completed', 'failed') then format('it does not end: %s, %s', status(v_job), states(v_job)) end,
      (select 'in doubt: ' || string_agg(s.pos::text, ', ') from campaign.recipient_state s where s.job_no = v_job and s.state = 'uncertain')), '');
    raise exception using errcode = 'UNDO0';
  exception when sqlstate 'UNDO0' then return v_found;
  end;
end
$$;

select is_empty($$ select format('seed %s: %s', seed, f) from generate_series(1, 12) seed, sent_through_a_failover(seed) f where f is not null $$, 'twelve failovers');

select * from finish();
rollback;
