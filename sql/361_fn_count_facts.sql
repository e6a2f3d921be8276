-- How many recipients a job has, and how many of them are in each state, as recipient_state says it: who was accepted is sent, whatever
-- else there is, so only the others are looked up one by one.
create function campaign._count_facts(
  p_job_no bigint,
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
  select a.total, a.others into total, v_others from campaign._not_accepted(p_job_no) a;
  select s.* into sent, failed, uncertain, suppressed from campaign._state_counts(p_job_no, v_others) s;
  sent := sent + total - cardinality(v_others);
end
$$;
