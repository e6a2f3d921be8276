-- When a recipient who was deferred is tried next; null: given up. A new round begins after each time it was given up.
-- A dropped connection tells nothing of the recipient: 1, 2, 4, 8 s, max_retries attempts in all.
-- An answer asks for patience: 60 s × 2ⁿ ±25 %, at most 1 h (RFC 5321 4.5.4.1), at least what its rule says, until the job's
-- time_limit. The jitter comes from the position, so a repeated call gets the same time.
create function campaign._retry_delay(
  p_job campaign.email_jobs,
  p_pos bigint,
  p_smtp_code integer,
  p_class text,
  p_rule integer
)
returns interval
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_now timestamptz := campaign.now();
  v_jitter double precision := (hashint8(p_pos) & 1023) / 1023.0;
  v_before record;
  v_rule record;
  v_delay interval;
begin
  select
    count(*) filter (where t.outcome = 'uncertain' or (t.outcome = 'deferred' and t.smtp_code is null)) as unanswered,
    count(*) filter (where t.outcome = 'deferred' and t.smtp_code is not null) as answered,
    count(*) filter (where t.outcome = 'deferred' and t.class = p_class) as so_answered,
    min(t.at) filter (where t.outcome = 'deferred' and t.smtp_code is not null) as first_answer
  into v_before
  from campaign.attempt t
  where t.job_no = p_job.job_no and t.pos = p_pos
    and t.chunk_no > coalesce((
      select max(f.chunk_no) from campaign.attempt f
      where f.job_no = p_job.job_no and f.pos = p_pos and f.outcome = 'failed'), 0);

  if p_smtp_code is null then
    if v_before.unanswered + 1 >= (p_job.config ->> 'max_retries')::bigint then
      return null;
    end if;
    return least(8, 2 ^ v_before.unanswered) * interval '1 s';
  end if;

  select r.wait, r.tries into v_rule from campaign.smtp_rules r where r.id = p_rule;
  v_delay := greatest(
    least(3600, 60 * 2 ^ least(v_before.answered, 10) * (0.75 + 0.5 * v_jitter)) * interval '1 s',
    v_rule.wait * (1 + 0.25 * v_jitter));
  if v_before.so_answered + 1 >= v_rule.tries
    or v_now + v_delay > coalesce(v_before.first_answer, v_now) + coalesce(p_job.config ->> 'time_limit', '24 hours')::interval
  then
    return null;
  end if;
  return v_delay;
end
$$;
