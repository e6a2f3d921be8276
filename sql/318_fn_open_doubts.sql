-- Names what cannot be known, and applies the job's on_uncertain to it; a resend at most max_retries times, then a person
-- decides. Without p_quiet_until the attempt may have begun right now. The caller holds the lock of the chunk and of the doubts of these positions.
create function campaign._open_doubts(
  p_job_no bigint,
  p_chunk_no bigint,
  p_positions bigint[],
  p_cause text,
  p_quiet_until timestamptz default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  -- 600 s is how long a relay may take to answer the final dot (RFC 5321 4.5.3.2.6); 30 s for clocks and calls under way.
  v_quiet_until timestamptz := coalesce(p_quiet_until, v_now + campaign._setting_interval('fence_after') + interval '630 s');
  v_policy text;
  v_max_resends bigint;
begin
  select case j.on_uncertain when 'assume_sent' then 'sent' when 'resend' then 'resend' end, (j.config ->> 'max_retries')::bigint
  into v_policy, v_max_resends
  from campaign.email_jobs j
  where j.job_no = p_job_no and j.status <> 'cancelled';

  delete from campaign.retry_item i
  where i.job_no = p_job_no and i.pos = any (p_positions) and i.chunk_no = p_chunk_no;

  with opened as (
    insert into campaign.doubt (job_no, pos, chunk_no, cause, since, quiet_until, decision, decided_by, decided_at, resend_asked)
    select p_job_no, p.pos, p_chunk_no, p_cause, v_now, v_quiet_until,
      y.decision, case when y.decision is not null then 'on_uncertain' end, case when y.decision is not null then v_now end,
      y.decision is not distinct from 'resend'
    from unnest(p_positions) as p (pos)
    cross join lateral (
      select case
        when v_policy = 'resend' and v_max_resends <= (
          select count(*) from campaign.doubt d where d.job_no = p_job_no and d.pos = p.pos) then null
        else v_policy
      end as decision
    ) y
    on conflict do nothing
    returning pos, decision
  )
  insert into campaign.retry_item (job_no, pos, due)
  select p_job_no, o.pos, v_quiet_until
  from opened o
  where o.decision = 'resend'
    and not exists (
      select from campaign.attempt t where t.job_no = p_job_no and t.pos = o.pos and t.outcome = 'sent')
  on conflict do nothing;

  -- Who counts as sent is told to the application as sent.
  if v_policy = 'sent' and cardinality(p_positions) > 0 then
    perform campaign._call_on_sent(p_job_no, p_positions);
  end if;
end
$$;
