create function campaign._job_errors(p_job_no bigint)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(f.entry order by f.at desc, f.pos desc), '[]')
  from (
    select t.at, t.pos, jsonb_build_object(
      'email', s.email,
      'error', concat_ws(' ', t.smtp_code, case when not coalesce(t.detail ^@ t.enhanced_code, false) then t.enhanced_code end, coalesce(t.detail, t.phase)),
      'attempts', s.attempts,
      'timestamp', t.at) as entry
    from campaign.attempt t
    join campaign.recipient_state s on s.job_no = t.job_no and s.pos = t.pos
    where t.job_no = p_job_no and t.outcome = 'failed' and s.state = 'failed'
      and not exists (
        select from campaign.attempt l
        where l.job_no = t.job_no and l.pos = t.pos and l.outcome = 'failed' and l.chunk_no > t.chunk_no)
    order by t.at desc, t.pos desc
    limit 100
  ) f
$$;
