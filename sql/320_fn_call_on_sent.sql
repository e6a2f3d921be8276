-- Tells the segment's on_sent function of accepted mails. A subtransaction and a lock_timeout around it: foreign code can
-- neither undo a fact nor hold the runners up. What fails, or runs into the statement_timeout, is kept for tick.
create function campaign._call_on_sent(p_job_no bigint, p_positions bigint[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
declare
  v_job record;
  v_keys text[];
  v_lock_timeout text := current_setting('lock_timeout');
begin
  select j.event_id, j.segment, s.on_sent into strict v_job
  from campaign.email_jobs j
  left join campaign.segments s on s.name = j.segment
  where j.job_no = p_job_no;
  if v_job.on_sent is null then
    if exists (select from campaign.pending_on_sent p where p.job_no = p_job_no) then
      delete from campaign.pending_on_sent p where p.job_no = p_job_no and p.pos = any (p_positions);
    end if;
    return;
  end if;

  select array_agg(r.recipient_key order by r.pos) into v_keys
  from campaign.recipient r
  where r.job_no = p_job_no and r.pos = any (p_positions);

  begin
    perform set_config('lock_timeout', '2s', true);
    if to_regprocedure(v_job.on_sent || '(uuid,text,text[])') is null then
      raise undefined_function using message = format('there is no function %s(uuid, text, text[])', v_job.on_sent);
    end if;
    execute format('select %s($1, $2, $3)', to_regprocedure(v_job.on_sent || '(uuid,text,text[])')::regproc)
    using v_job.event_id, v_job.segment, v_keys;
    perform set_config('lock_timeout', v_lock_timeout, true);
    delete from campaign.pending_on_sent p where p.job_no = p_job_no and p.pos = any (p_positions);
  exception when query_canceled or others then
    raise warning using
      message = format('on_sent of segment %L failed: %s', v_job.segment, sqlerrm),
      detail = format('%s accepted mails of job %s stay recorded; the call is repeated.', cardinality(p_positions), p_job_no);
    insert into campaign.pending_on_sent as p (job_no, pos, error, since)
    select p_job_no, u.pos, sqlerrm, campaign.now()
    from unnest(p_positions) as u (pos)
    on conflict (job_no, pos) do update set error = excluded.error;
  end;
end
$$;
