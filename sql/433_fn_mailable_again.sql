-- Of recipients that a person wants to be mailed again: who may be. Everybody else has the mail of another campaign with the same
-- dedupe key, or is suppressed. The caller holds the lock of the dedupe key, since these recipients become pending.
create function campaign._mailable_again(
  p_job campaign.email_jobs,
  p_positions bigint[],
  out mailable bigint[],
  out suppressed bigint,
  out already_mailed bigint
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  with mailed as materialized (
    select m.recipient_key, m.folded
    from campaign._mailed_already(p_job.dedupe_key, p_job.job_no) m
    where not p_job.allow_repeat
  ),
  asked as (
    select r.pos,
      exists (select from campaign.suppressions s where s.email = campaign._fold_address(r.email)) as suppressed,
      r.recipient_key in (select m.recipient_key from mailed m)
        or campaign._fold_address(r.email) in (select m.folded from mailed m) as already_mailed
    from campaign.recipient r
    where r.job_no = p_job.job_no and r.pos = any (p_positions)
  )
  select
    coalesce(array_agg(a.pos order by a.pos) filter (where not a.suppressed and not a.already_mailed), '{}'),
    count(*) filter (where a.suppressed),
    count(*) filter (where a.already_mailed and not a.suppressed)
  into mailable, suppressed, already_mailed
  from asked a;
end
$$;
