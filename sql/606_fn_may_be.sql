-- Positions after p_after at which a recipient can be found who failed, is uncertain or suppressed: few, while
-- recipient_state has to work out each state. SECURITY DEFINER: it tells less than recipient_state.
create function campaign._may_be(p_outcome text, p_job_no bigint, p_after bigint)
returns setof bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select t.pos
  from campaign.attempt t
  where p_outcome = 'failed' and t.job_no = p_job_no and t.pos > p_after and t.outcome = 'failed'
  union
  select t.pos
  from campaign.attempt t
  where p_outcome = 'suppressed' and t.job_no = p_job_no and t.pos > p_after and t.outcome = 'suppressed'
  union
  select d.pos
  from campaign.doubt d
  where p_outcome = 'uncertain' and d.job_no = p_job_no and d.pos > p_after
$$;
