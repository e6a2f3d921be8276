-- What report and release share. Locks are taken for the whole call before anything is read: the jobs of fenced items and those
-- that an answer stops, all chunks, all doubts of the positions named; each in key order. Plans are pinned, and kept: some statements
-- would be planned anew in each call, which costs more than they do.
create function campaign._report_items(p_runner_id uuid, p_items jsonb, p_release boolean)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_locked_jobs bigint[];
  v_told jsonb;
  v_item record;
  v_answers jsonb[] := '{}';
  -- Nearly always there are none.
  v_unusual boolean := jsonb_path_exists(p_items, '$[*].outcomes[*].verdict ? (@ != "sent")');
begin
  perform campaign._enter_protocol();
  perform campaign._check_runner(p_runner_id);

  for v_item in
    select i.job_no, i.chunk_no
    from jsonb_to_recordset(p_items) as i (job_no bigint, chunk_no bigint)
    where not exists (select from campaign.chunk c where c.job_no = i.job_no and c.chunk_no = i.chunk_no)
  loop
    raise exception using
      errcode = 'CP022',
      message = format('there is no chunk %s of job %s', v_item.chunk_no, v_item.job_no),
      detail = 'Nothing of the call was recorded.',
      hint = 'Is the runner connected to the database that leased the chunk?';
  end loop;

  -- Being fenced lasts for ever, so it may be read without a lock.
  select coalesce(array_agg(distinct i.job_no), '{}') into v_locked_jobs
  from jsonb_to_recordset(p_items) as i (job_no bigint, chunk_no bigint, epoch bigint, outcomes jsonb)
  join campaign.chunk c on c.job_no = i.job_no and c.chunk_no = i.chunk_no
  where not campaign._owns(c, p_runner_id, i.epoch)
    or (v_unusual and jsonb_path_exists(i.outcomes, '$[*] ? (@.verdict == "stop_job")'));

  perform from campaign.email_jobs j where j.job_no = any (v_locked_jobs) order by j.job_no for no key update;

  perform
  from campaign.chunk c
  where exists (
    select
    from jsonb_to_recordset(p_items) as i (job_no bigint, chunk_no bigint)
    where i.job_no = c.job_no and i.chunk_no = c.chunk_no)
  order by c.job_no, c.chunk_no
  for no key update;

  for v_item in
    select i.job_no, array_agg(distinct p.pos) as positions
    from jsonb_to_recordset(p_items) as i (job_no bigint, chunk_no bigint, next_mark bigint, outcomes jsonb)
    join campaign.chunk c on c.job_no = i.job_no and c.chunk_no = i.chunk_no
    cross join lateral (
      select o.pos from jsonb_to_recordset(i.outcomes) as o (pos bigint)
      union
      select g from campaign._positions(c, c.first_pos - 1, greatest(c.mark, i.next_mark)) g
    ) p
    where (select true from campaign.doubt d where d.job_no = c.job_no and d.pos between c.first_pos and c.last_pos limit 1)
    group by i.job_no
    order by i.job_no
  loop
    perform campaign._lock_doubts(v_item.job_no, v_item.positions);
  end loop;

  v_told := case when v_unusual then campaign._answers_told(p_runner_id, p_items) else '[]' end;
  if v_told <> '[]' then
    for v_item in
      select distinct on (job_no) (t ->> 'job_no')::bigint as job_no, (t ->> 'integration_id')::uuid as integration_id, t as told
      from jsonb_array_elements(v_told) with ordinality as x (t, nr)
      where t ->> 'verdict' = 'stop_job' and (t ->> 'owner')::boolean
      order by job_no, nr
    loop
      perform campaign._pause_job(v_item.job_no, campaign._stop_reason(v_item.integration_id, v_item.told));
    end loop;
  end if;

  for v_item in
    select i.ord, i.item, (i.item ->> 'job_no')::bigint as job_no, (i.item ->> 'chunk_no')::bigint as chunk_no, (i.item ->> 'epoch')::bigint as epoch
    from jsonb_array_elements(p_items) with ordinality as i (item, ord)
    order by job_no, chunk_no, epoch, i.ord
  loop
    v_answers[v_item.ord] := campaign._report_item(p_runner_id, v_item.item, p_release, v_item.job_no = any (v_locked_jobs));
  end loop;

  if v_told <> '[]' then
    perform campaign._follow_answers(v_told);
  end if;
  return to_jsonb(v_answers);
end
$$;
