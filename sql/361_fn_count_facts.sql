-- How many recipients a job has at positions above p_after and up to p_up_to, and how many of them are in each state, as recipient_state
-- says it: who was accepted is sent, whatever else there is, so only the others are looked up one by one.
create function campaign._count_facts(
  p_job_no bigint,
  p_after bigint,
  p_up_to bigint,
  out total bigint,
  out sent bigint,
  out failed bigint,
  out uncertain bigint,
  out suppressed bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_others bigint[];
begin
  select a.total, a.others into total, v_others from campaign._not_accepted(p_job_no, p_after, p_up_to) a;
  select s.* into sent, failed, uncertain, suppressed from campaign._state_counts(p_job_no, v_others) s;
  sent := sent + total - cardinality(v_others);
end
$$;
