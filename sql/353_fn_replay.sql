create function campaign.replay(
  p_runner_id uuid,
  p_host text,
  p_pid integer,
  p_version text,
  p_remembers_from_us bigint,
  p_items jsonb,
  p_last boolean
)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  v_item record;
  v_told jsonb;
begin
  perform campaign._enter_protocol();
  perform campaign._follow_incarnation();
  insert into campaign.runner as r (runner_id, host, pid, version, incarnation, started_at, heartbeat_at)
  values (p_runner_id, p_host, p_pid, p_version, 'replays', v_now, v_now)
  on conflict (runner_id) do update set heartbeat_at = greatest(r.heartbeat_at, v_now);

  perform
  from campaign.email_jobs j
  where j.job_no in (select i.job_no from jsonb_to_recordset(p_items) as i (job_no bigint))
  order by j.job_no
  for no key update;

  for v_item in
    select i.job_no, p.pos
    from campaign._replay_items(p_items) i
    join campaign.email_jobs j on j.job_no = i.job_no
    cross join lateral unnest(i.passed) as p (pos)
    where p.pos is null or p.pos not between 1 and j.total_contacts
    limit 1
  loop
    raise exception using
      errcode = 'CP022',
      message = format('nobody is at position %s of job %s', v_item.pos, v_item.job_no),
      detail = 'Nothing of the call was recorded.',
      hint = 'This is a bug of the runner.';
  end loop;

  for v_item in
    select i.job_no, i.chunk_no, coalesce(array_agg(distinct p.pos) filter (where p.pos is not null), '{}') as passed
    from campaign._replay_items(p_items) i
    left join lateral unnest(i.passed) as p (pos) on true
    group by i.job_no, i.chunk_no
    order by i.job_no, i.chunk_no
  loop
    perform campaign._replay_chunk(v_item.job_no, v_item.chunk_no, v_item.passed);
  end loop;

  -- Only what it means for addresses: what relays said to everybody was long ago.
  v_told := jsonb_path_query_array(
    campaign._answers_told(p_runner_id, (select coalesce(jsonb_agg(i.item), '[]') from campaign._replay_items(p_items) i)), '$[*] ? (@.verdict == "fail")');

  for v_item in
    select i.job_no, i.item
    from campaign._replay_items(p_items) i
    order by i.implied, i.job_no, i.chunk_no, i.epoch
  loop
    perform campaign._replay_item(p_runner_id, v_item.item);
    if (v_item.item ->> 'stopped')::boolean then
      perform campaign._pause_job(v_item.job_no, 'it was stopped by somebody or something of which this database lost the memory; resume_campaign or cancel_campaign');
    end if;
  end loop;
  perform campaign._follow_answers(v_told);

  if p_last then
    with told as (
      update campaign.runner r
      set incarnation = i.name
      from campaign.incarnation i, campaign.runner o
      where r.runner_id = p_runner_id and r.incarnation <> i.name and o.runner_id = r.runner_id
      -- Who came after the copy's last moment cannot speak for the time before.
      returning o.incarnation <> 'replays' as known, timestamptz 'epoch' + p_remembers_from_us * interval '1 microsecond' > i.heard_until as forgot
    )
    update campaign.incarnation i
    set replays = i.replays + case when t.known then 1 else 0 end, forgotten = i.forgotten + case when t.forgot then 1 else 0 end
    from told t;
  end if;

  return jsonb_build_object(
    'now_us', (extract(epoch from campaign.now()) * 1000000)::bigint,
    'unknown', (
      select coalesce(jsonb_agg(distinct u.item ->> 'job_id'), '[]')
      from jsonb_array_elements(p_items) as u (item)
      where not exists (
        select from campaign._replay_items(jsonb_build_array(u.item)))));
end
$$;

comment on function campaign.replay(uuid, text, integer, text, bigint, jsonb, boolean) is
'After CP020 a runner tells a database that may have forgotten it (a promoted standby, a restored dump) all that it did lately, in one call or several, the last of which says so: then it is registered again. It has ended its leases. p_remembers_from_us: it knows everything that it did since then (microseconds since 1970 by the database''s time); null: since its start. p_items, one for each lease: [{job_no, job_id, chunk_no, epoch, first_leased_us, mark, open: positions that it passed and that have no outcome yet, outcomes: as in report, stopped: whether the job was stopped when it last heard of it}]. Returns {now_us, unknown: ids of campaigns that this database does not have}. Repeating a call changes nothing. CP022: the runner broke the protocol.';
