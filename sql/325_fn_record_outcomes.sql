-- Steps 2 and 3 of a report: outcomes become facts, and what follows from each (retries, doubts, the end of doubts).
-- The caller holds the locks. Returns the positions that were really inserted and did not count as recorded before.
create function campaign._record_outcomes(
  p_runner_id uuid,
  p_job campaign.email_jobs,
  p_chunk campaign.chunk,
  p_epoch bigint,
  p_outcomes jsonb
)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_now timestamptz := campaign.now();
  v_ended boolean := p_job.status in ('completed', 'failed');
  v_facts bigint[];
  v_uncertain bigint[];
  v_sent bigint[];
  v_failed bigint[];
  v_again bigint[];
  v_delays interval[];
  v_resent bigint[];
  v_doubted bigint[];
  v_bad record;
begin
  select o.pos, o.outcome, o.verdict into v_bad
  from jsonb_to_recordset(p_outcomes) as o (pos bigint, outcome text, verdict text, class text)
  where o.outcome is null
    or o.outcome not in ('sent', 'failed', 'deferred', 'uncertain', 'returned')
    or (o.outcome, o.verdict) not in (('sent', 'sent'), ('failed', 'fail'), ('deferred', 'defer'), ('deferred', 'slow_down'),
      ('uncertain', 'uncertain'), ('returned', 'stop_job'), ('returned', 'reconnect'))
    or o.class !~ '^[a-z][a-z_]{0,39}$'
    or not coalesce(o.pos between p_chunk.first_pos and p_chunk.mark
      and (p_chunk.kind = 'range' or o.pos = any (p_chunk.positions)), false)
  limit 1;
  if found then
    raise exception using
      errcode = 'CP022',
      message = format('chunk %s of job %s cannot record outcome %L, verdict %L for position %s', p_chunk.chunk_no, p_chunk.job_no, v_bad.outcome,
        v_bad.verdict, v_bad.pos),
      detail = format('The chunk passed positions %s to %s; a runner reports sent, failed, deferred, uncertain or returned, and a verdict that goes with it.',
        p_chunk.first_pos, p_chunk.mark),
      hint = 'This is a bug of the runner. Nothing of the call was recorded.';
  end if;

  with reported as materialized (
    select distinct on (o.pos) o.*,
      case when o.outcome = 'deferred' and not v_ended then campaign._retry_delay(p_job, o.pos, o.code, o.class, o.rule) end as delay
    from rows from (jsonb_to_recordset(p_outcomes) as (
      pos bigint, outcome text, phase text, code integer, enhanced text, detail text, verdict text, class text, rule integer)) with ordinality as o (
      pos, outcome, phase, code, enhanced, detail, verdict, class, rule, nr)
    order by o.pos, o.nr
  ),
  inserted as (
    insert into campaign.attempt (job_no, pos, chunk_no, outcome, phase, smtp_code, enhanced_code, detail, verdict, class, runner_id, epoch, at)
    select p_chunk.job_no, r.pos, p_chunk.chunk_no,
      case
        when r.outcome in ('deferred', 'returned') and v_ended then 'failed'
        when r.outcome = 'deferred' and r.delay is null then 'failed'
        else r.outcome
      end,
      r.phase, r.code, r.enhanced, left(r.detail, 500), nullif(r.verdict, 'sent'), r.class, p_runner_id, p_epoch, v_now
    from reported r
    order by r.pos
    on conflict do nothing
    returning pos, outcome
  )
  select
    coalesce(array_agg(i.pos), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome = 'uncertain'), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome = 'sent'), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome = 'failed'), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome in ('deferred', 'returned')), '{}'),
    -- returned is due now; but a relay that wants another connection for each mail is not asked without a breath for ever.
    array_agg(coalesce(r.delay, case
      when r.verdict = 'reconnect' and 3 <= (
        select count(*) from campaign.attempt t where t.job_no = p_chunk.job_no and t.pos = r.pos and t.verdict = 'reconnect') then interval '1 min'
      else interval '0' end)) filter (where i.outcome in ('deferred', 'returned'))
  into v_facts, v_uncertain, v_sent, v_failed, v_again, v_delays
  from inserted i
  join reported r on r.pos = i.pos;

  if cardinality(v_facts) < jsonb_array_length(p_outcomes) then
    for v_bad in
      select o.pos, o.outcome, t.outcome as recorded
      from jsonb_to_recordset(p_outcomes) as o (pos bigint, outcome text)
      join campaign.attempt t on t.job_no = p_chunk.job_no and t.pos = o.pos and t.chunk_no = p_chunk.chunk_no
      where t.outcome <> o.outcome
        and not (t.outcome = 'failed' and o.outcome in ('deferred', 'returned'))
    loop
      raise log 'campaign: job %, chunk %, position %: reported as % after it was recorded as %; this is a bug of the runner',
        p_chunk.job_no, p_chunk.chunk_no, v_bad.pos, v_bad.outcome, v_bad.recorded;
    end loop;
  end if;

  select
    coalesce(array_agg(d.pos), '{}'),
    coalesce(array_agg(d.pos) filter (where d.decision = 'resend'), '{}')
  into v_doubted, v_resent
  from campaign.doubt d
  where d.job_no = p_chunk.job_no and d.pos = any (v_facts) and d.chunk_no = p_chunk.chunk_no;

  delete from campaign.retry_item i
  where i.job_no = p_chunk.job_no and i.pos = any (v_facts) and i.chunk_no = p_chunk.chunk_no;

  if cardinality(v_uncertain) > 0 then
    -- The connection is gone, so nothing of ours is in flight; 30 s for what the relay may still be doing.
    perform campaign._open_doubts(p_chunk.job_no, p_chunk.chunk_no, v_uncertain, 'no reply to the final dot', v_now + interval '30 s');
  end if;

  update campaign.doubt d
  set decision = 'fact', decided_by = 'report', decided_at = v_now
  where d.job_no = p_chunk.job_no and d.pos = any (v_doubted) and d.chunk_no = p_chunk.chunk_no
    and not d.pos = any (v_uncertain);

  -- A late fact settles a doubt first: who has the mail, or was refused for good, is not sent to again.
  delete from campaign.retry_item i
  where i.job_no = p_chunk.job_no and i.chunk_no is null
    and (i.pos = any (v_sent) or (i.pos = any (v_failed) and i.pos = any (v_resent)));

  -- Or it ends the wait of a resend: nothing of this attempt is under way any more. Of another one there may be.
  update campaign.retry_item i
  set due = least(i.due, greatest(v_now + u.delay, (
    select max(d.quiet_until) from campaign.doubt d where d.job_no = i.job_no and d.pos = i.pos and d.decision = 'resend')))
  from unnest(v_again, v_delays) as u (pos, delay)
  where i.job_no = p_chunk.job_no and i.pos = u.pos and i.chunk_no is null and u.pos = any (v_resent);

  if cardinality(v_again) > 0 and p_job.status <> 'cancelled' then
    insert into campaign.retry_item (job_no, pos, due)
    select p_chunk.job_no, u.pos, v_now + u.delay
    from unnest(v_again, v_delays) as u (pos, delay)
    where not u.pos = any (v_resent)
      and not exists (
        select from campaign.attempt s where s.job_no = p_chunk.job_no and s.pos = u.pos and s.outcome = 'sent')
    on conflict do nothing;
  end if;

  if cardinality(v_sent) > 0 then
    perform campaign._call_on_sent(p_chunk.job_no, v_sent);
  end if;

  return cardinality(v_facts) - cardinality(v_doubted);
end
$$;
