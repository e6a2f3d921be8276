-- How many recipients a job has at positions above p_after and up to p_up_to, and at which of them nobody was accepted. The plan is pinned:
-- recipients and attempts are read side by side in the order of their keys.
create function campaign._not_accepted(p_job_no bigint, p_after bigint, p_up_to bigint, out total bigint, out others bigint[])
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_nestloop = off
set enable_hashjoin = off
as $$
begin
  select count(*), coalesce(array_agg(r.pos) filter (where a.pos is null), '{}') into total, others
  from campaign.recipient r
  left join (
    select distinct t.pos
    from campaign.attempt t
    where t.job_no = p_job_no and t.pos > p_after and t.pos <= p_up_to and t.outcome = 'sent'
  ) a on a.pos = r.pos
  where r.job_no = p_job_no and r.pos > p_after and r.pos <= p_up_to;
end
$$;
