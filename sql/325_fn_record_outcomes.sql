-- Steps 2 and 3 of a report: outcomes become facts, and what follows from each (retries, doubts, the end of doubts).
-- The caller holds the locks. p_untouched: as _is_untouched says of the chunk. recorded: how many were really inserted and did not
-- count as recorded before; sent, others: who was inserted, accepted or not.
create function campaign._record_outcomes(
  p_runner_id uuid,
  p_job campaign.email_jobs,
  p_chunk campaign.chunk,
  p_epoch bigint,
  p_outcomes jsonb,
  p_untouched boolean,
  out recorded bigint,
  out sent bigint[],
  out others bigint[]
)
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
  v_failed bigint[];
  v_again bigint[];
  v_delays interval[];
  v_resent bigint[] := '{}';
  v_doubted bigint[] := '{}';
  v_bad text;
  v_other record;
begin
  if p_outcomes = '[]' then
    recorded := 0;
    sent := '{}';
    others := '{}';
    return;
  end if;

  -- Read from JSON once: that costs as much as to insert it.
  with reported as materialized (
    select distinct on (o.pos) o.*,
      case when o.outcome = 'deferred' and not v_ended then campaign._retry_delay(p_job, o.pos, o.code, o.class, o.rule) end as delay
    from rows from (jsonb_to_recordset(p_outcomes) as (
      pos bigint, outcome text, phase text, code integer, enhanced text, detail text, verdict text, class text, rule integer)) with ordinality as o (
      pos, outcome, phase, code, enhanced, detail, verdict, class, rule, nr)
    order by o.pos, o.nr
  ),
  bad as materialized (
    select format('outcome %L, verdict %L for position %s', o.outcome, o.verdict, o.pos) as what
    from reported o
    where not coalesce(
      case o.outcome
        when 'sent' then coalesce(o.verdict = 'sent', true)
        when 'failed' then coalesce(o.verdict = 'fail', true)
        when 'deferred' then coalesce(o.verdict in ('defer', 'slow_down'), true)
        when 'uncertain' then coalesce(o.verdict = 'uncertain', true)
        when 'returned' then coalesce(o.verdict in ('stop_job', 'reconnect'), true) end
      and coalesce(o.class ~ '^[a-z][a-z_]{0,39}$', true)
      and o.pos between p_chunk.first_pos and p_chunk.mark
      and (p_chunk.kind = 'range' or o.pos = any (p_chunk.positions)), false)
    limit 1
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
    -- The chunk's lock keeps others out, so ON CONFLICT, which costs a WAL record a row, has nothing to do.
    where (
        select true from campaign.attempt t where t.job_no = p_chunk.job_no and t.pos = r.pos and t.chunk_no = p_chunk.chunk_no) is null
      and not exists (select from bad)
    returning pos, outcome
  )
  select
    coalesce(array_agg(i.pos) filter (where i.outcome = 'sent'), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome <> 'sent'), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome = 'uncertain'), '{}'),
    coalesce(array_agg(i.pos) filter (where i.outcome = 'failed'), '{}'),
    coalesce(array_agg(i.pos order by i.pos) filter (where i.outcome in ('deferred', 'returned')), '{}'),
    array_agg((
      -- returned is due now; but a relay that wants another connection for each mail is not asked without a breath for ever.
      select coalesce(r.delay, case
        when r.verdict = 'reconnect' and 3 <= (
          select count(*) from campaign.attempt t where t.job_no = p_chunk.job_no and t.pos = r.pos and t.verdict = 'reconnect') then interval '1 min'
        else interval '0' end)
      from reported r
      where r.pos = i.pos) order by i.pos) filter (where i.outcome in ('deferred', 'returned')),
    (select b.what from bad b)
  into sent, others, v_uncertain, v_failed, v_again, v_delays, v_bad
  from inserted i;
  if v_bad is not null then
    raise exception using
      errcode = 'CP022',
      message = format('chunk %s of job %s cannot record %s', p_chunk.chunk_no, p_chunk.job_no, v_bad),
      detail = format('The chunk passed positions %s to %s; a runner reports sent, failed, deferred, uncertain or returned, and a verdict that goes with it.',
        p_chunk.first_pos, p_chunk.mark),
      hint = 'This is a bug of the runner. Nothing of the call was recorded.';
  end if;
  v_facts := sent || others;

  if cardinality(v_facts) < jsonb_array_length(p_outcomes) then
    for v_other in
      select o.pos, o.outcome, t.outcome as recorded
      from jsonb_to_recordset(p_outcomes) as o (pos bigint, outcome text)
      join campaign.attempt t on t.job_no = p_chunk.job_no and t.pos = o.pos and t.chunk_no = p_chunk.chunk_no
      where t.outcome <> o.outcome
        and not (t.outcome = 'failed' and o.outcome in ('deferred', 'returned'))
    loop
      raise log 'campaign: job %, chunk %, position %: reported as % after it was recorded as %; this is a bug of the runner',
        p_chunk.job_no, p_chunk.chunk_no, v_other.pos, v_other.outcome, v_other.recorded;
    end loop;
  end if;

  if not p_untouched then
    select
      coalesce(array_agg(d.pos), '{}'),
      coalesce(array_agg(d.pos) filter (where d.decision = 'resend'), '{}')
    into v_doubted, v_resent
    from campaign.doubt d
    where d.job_no = p_chunk.job_no and d.pos = any (v_facts) and d.chunk_no = p_chunk.chunk_no;

    delete from campaign.retry_item i
    where i.job_no = p_chunk.job_no and i.pos = any (v_facts) and i.chunk_no = p_chunk.chunk_no;
  end if;

  if cardinality(v_uncertain) > 0 then
    -- The connection is gone, so nothing of ours is in flight; 30 s for what the relay may still be doing.
    perform campaign._open_doubts(p_chunk.job_no, p_chunk.chunk_no, v_uncertain, 'no reply to the final dot', v_now + interval '30 s');
  end if;

  if not p_untouched then
    update campaign.doubt d
    set decision = 'fact', decided_by = 'report', decided_at = v_now
    where d.job_no = p_chunk.job_no and d.pos = any (v_doubted) and d.chunk_no = p_chunk.chunk_no
      and not d.pos = any (v_uncertain);

    -- A late fact settles a doubt first: who has the mail, or was refused for good, is not sent to again.
    delete from campaign.retry_item i
    where i.job_no = p_chunk.job_no and i.chunk_no is null
      and (i.pos = any (sent) or (i.pos = any (v_failed) and i.pos = any (v_resent)));

    -- Or it ends the wait of a resend: nothing of this attempt is under way any more. Of another one there may be.
    update campaign.retry_item i
    set due = least(i.due, greatest(v_now + u.delay, (
      select max(d.quiet_until) from campaign.doubt d where d.job_no = i.job_no and d.pos = i.pos and d.decision = 'resend')))
    from unnest(v_again, v_delays) as u (pos, delay)
    where i.job_no = p_chunk.job_no and i.pos = u.pos and i.chunk_no is null and u.pos = any (v_resent);
  end if;

  if cardinality(v_again) > 0 and p_job.status <> 'cancelled' then
    insert into campaign.retry_item (job_no, pos, due)
    select p_chunk.job_no, u.pos, v_now + u.delay
    from unnest(v_again, v_delays) as u (pos, delay)
    where not u.pos = any (v_resent)
      and not exists (
        select from campaign.attempt s where s.job_no = p_chunk.job_no and s.pos = u.pos and s.outcome = 'sent')
    on conflict do nothing;
  end if;

  if cardinality(sent) > 0 then
    perform campaign._call_on_sent(p_chunk.job_no, sent);
  end if;

  recorded := cardinality(v_facts) - cardinality(v_doubted);
end
$$;
