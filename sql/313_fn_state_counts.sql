-- Functions in SQL are planned anew in each call, those in PL/pgSQL once a session: this one and others of the hot path are in that.
create function campaign._state_counts(
  p_job_no bigint,
  p_positions bigint[],
  out sent bigint,
  out failed bigint,
  out uncertain bigint,
  out suppressed bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  if p_positions = '{}' then
    sent := 0;
    failed := 0;
    uncertain := 0;
    suppressed := 0;
    return;
  end if;
  select
    count(*) filter (where s.state = 'sent'),
    count(*) filter (where s.state = 'failed'),
    count(*) filter (where s.state = 'uncertain'),
    count(*) filter (where s.state = 'suppressed')
  into sent, failed, uncertain, suppressed
  from (
    select r.state
    from campaign.recipient_state r
    where r.job_no = p_job_no and r.pos = any (p_positions)
    offset 0 -- else each count works the state out anew
  ) s;
end
$$;
