create function campaign.check_campaign(job uuid, out name text, out holds boolean, out detail text)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_job campaign.email_jobs := campaign._find_job(check_campaign.job);
  v_facts record;
  v_chunks record;
  v_n bigint;
  v_unasked bigint;
begin
  -- Again, of the moment of all that follows: _find_job is volatile and sees what was committed since.
  select j.* into strict v_job from campaign.email_jobs j where j.id = check_campaign.job;

  select count(*) as n, coalesce(min(s.pos), 1) as low, coalesce(max(s.pos), 0) as high,
    count(*) filter (where s.state = 'sent') as sent, count(*) filter (where s.state = 'failed') as failed,
    count(*) filter (where s.state = 'uncertain') as uncertain, count(*) filter (where s.state = 'suppressed') as suppressed,
    count(*) filter (where s.state = 'cancelled') as cancelled, count(*) filter (where s.state = 'pending') as pending,
    count(*) filter (where s.state = 'lost') as lost
  into v_facts
  from campaign.recipient_state s
  where s.job_no = v_job.job_no;

  select coalesce(sum(c.n_sent), 0) as sent, coalesce(sum(c.n_failed), 0) as failed, coalesce(sum(c.n_uncertain), 0) as uncertain,
    coalesce(sum(c.n_suppressed), 0) as suppressed, coalesce(sum(c.n) filter (where c.kind = 'range'), 0) as covered,
    coalesce(bool_or(c.dirty), false) as dirty
  into v_chunks
  from campaign.chunk c
  where c.job_no = v_job.job_no;

  name := 'the audience is whole';
  holds := v_facts.n = v_job.total_contacts and v_facts.low = 1 and v_facts.high = v_facts.n and v_chunks.covered = v_facts.n;
  detail := format('%s recipients at positions %s to %s, total_contacts %s, in chunks %s',
    v_facts.n, v_facts.low, v_facts.high, v_job.total_contacts, v_chunks.covered);
  return next;

  name := 'no recipient is lost';
  holds := v_facts.lost = 0;
  detail := format('sent %s, failed %s, uncertain %s, suppressed %s, cancelled %s, pending %s, lost %s', v_facts.sent, v_facts.failed,
    v_facts.uncertain, v_facts.suppressed, v_facts.cancelled, v_facts.pending, v_facts.lost);
  return next;

  select count(*), count(*) filter (where twice.n > 1 + twice.asked) into v_n, v_unasked
  from (
    select t.pos, count(*) as n, (
      select count(*) from campaign.doubt d where d.job_no = v_job.job_no and d.pos = t.pos and d.resend_asked) as asked
    from campaign.attempt t
    where t.job_no = v_job.job_no and t.outcome = 'sent'
    group by t.pos
    having count(*) > 1
  ) twice;
  name := 'nobody was accepted twice unasked';
  holds := v_unasked = 0;
  detail := format('%s recipients with more than one accepted mail, %s of them without a decision to resend: see double_deliveries', v_n, v_unasked);
  return next;

  name := 'the chunks'' counters equal the facts';
  holds := (v_chunks.sent, v_chunks.failed, v_chunks.uncertain, v_chunks.suppressed)
    = (v_facts.sent, v_facts.failed, v_facts.uncertain, v_facts.suppressed);
  detail := format('counted sent %s, failed %s, uncertain %s, suppressed %s', v_chunks.sent, v_chunks.failed, v_chunks.uncertain, v_chunks.suppressed);
  return next;

  name := 'the job''s counters equal the facts';
  holds := v_chunks.dirty
    or (v_job.sent_count, v_job.failed_count, v_job.uncertain_count, v_job.suppressed_count, v_job.cancelled_count)
      = (v_facts.sent, v_facts.failed, v_facts.uncertain, v_facts.suppressed, v_facts.cancelled);
  detail := format('counted sent %s, failed %s, uncertain %s, suppressed %s, cancelled %s%s', v_job.sent_count, v_job.failed_count,
    v_job.uncertain_count, v_job.suppressed_count, v_job.cancelled_count,
    case when v_chunks.dirty then '; the next tick adds the newest outcomes' else '' end);
  return next;

  select count(*) into v_n
  from campaign.retry_item i
  join campaign.chunk c on c.job_no = i.job_no and c.chunk_no = (i.pos - 1) / v_job.chunk_size + 1
  where i.job_no = v_job.job_no and i.pos > c.mark and c.state <> 'cancelled';
  name := 'I1: each recipient is in one hand';
  holds := v_n = 0;
  detail := format('%s recipients both above the mark of their chunk and waiting for a retry', v_n);
  return next;

  select count(*) into v_n
  from campaign.attempt t
  left join campaign.chunk c on c.job_no = t.job_no and c.chunk_no = t.chunk_no
  where t.job_no = v_job.job_no
    and not coalesce(t.pos between c.first_pos and c.mark and (c.kind = 'range' or t.pos = any (c.positions)), false);
  name := 'I2: every attempt was allowed by a mark';
  holds := v_n = 0;
  detail := format('%s attempts at positions that their chunk never passed', v_n);
  return next;

  select count(*) into v_n
  from campaign.chunk c
  where c.job_no = v_job.job_no
    and (c.passed - c.recorded <> cardinality(campaign._open_positions(c))
      or (c.state <> 'leased' and c.passed <> c.recorded));
  name := 'I3: what is passed is recorded, or open under a lease';
  holds := v_n = 0;
  detail := format('%s chunks whose counts of passed and recorded positions differ from the rows', v_n);
  return next;

  select count(*) into v_n
  from campaign.chunk c
  where c.job_no = v_job.job_no and c.state = 'leased'
    and c.passed - c.recorded > least(1000, (v_job.config ->> 'concurrency')::bigint + greatest(1, v_job.chunk_size / 2));
  name := 'I3: no lease has more open than the window';
  holds := v_n = 0;
  detail := format('%s leases that would leave more in doubt than connections and half a chunk', v_n);
  return next;

  select count(*) into v_n
  from campaign.doubt d
  left join campaign.chunk c on c.job_no = d.job_no and c.chunk_no = d.chunk_no
  where d.job_no = v_job.job_no
    and not coalesce(d.pos between c.first_pos and c.mark and (c.kind = 'range' or d.pos = any (c.positions)), false);
  name := 'every doubt is about an attempt that a mark allowed';
  holds := v_n = 0;
  detail := format('%s doubts at positions that their chunk never passed', v_n);
  return next;

  select count(*) into v_n
  from campaign.retry_item i
  left join campaign.chunk c on c.job_no = i.job_no and c.chunk_no = i.chunk_no
  where i.job_no = v_job.job_no and i.chunk_no is not null
    and not coalesce(
      c.kind = 'retry' and c.state in ('ready', 'leased') and i.pos = any (c.positions)
        and not exists (select from campaign.attempt t where t.job_no = i.job_no and t.pos = i.pos and t.chunk_no = i.chunk_no)
        and not exists (select from campaign.doubt d where d.job_no = i.job_no and d.pos = i.pos and d.chunk_no = i.chunk_no), false);
  name := 'every retry under way is in the chunk that carries it';
  holds := v_n = 0;
  detail := format('%s retries whose chunk does not have them any more', v_n);
  return next;

  name := 'cursor: everybody up to it was attempted';
  holds := v_chunks.dirty or v_job.cursor <= campaign._job_cursor(v_job.job_no);
  detail := format('at %s, by the facts %s', v_job.cursor, campaign._job_cursor(v_job.job_no));
  return next;

  name := 'what has ended has no work left';
  holds := v_job.status not in ('completed', 'failed')
    or (v_facts.pending = 0
      and v_facts.sent + v_facts.failed + v_facts.uncertain + v_facts.suppressed = v_job.total_contacts);
  detail := format('status %s, %s pending', v_job.status, v_facts.pending);
  return next;
end
$$;

comment on function campaign.check_campaign(uuid) is
'Proves a campaign''s books: one row for each invariant, with what was found. All must hold at any moment. CP001: no such campaign.';
