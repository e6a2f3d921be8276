create function campaign._state_counts(
  p_job_no bigint,
  p_positions bigint[],
  out sent bigint,
  out failed bigint,
  out uncertain bigint,
  out suppressed bigint
)
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
  select
    count(*) filter (where s.state = 'sent'),
    count(*) filter (where s.state = 'failed'),
    count(*) filter (where s.state = 'uncertain'),
    count(*) filter (where s.state = 'suppressed')
  from (
    select r.state
    from campaign.recipient_state r
    where r.job_no = p_job_no and r.pos = any (p_positions)
    offset 0 -- else each count works the state out anew
  ) s
$$;
