-- What a runner replays, as far as this database has the campaign. Of whom a retry chunk tells, the range chunk had been passed:
-- implied. The caller holds the jobs' locks.
create function campaign._replay_items(p_items jsonb)
returns table (job_no bigint, chunk_no bigint, epoch bigint, passed bigint[], implied boolean, item jsonb)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  with told as materialized (
    select j.job_no, j.chunk_size, (i.item ->> 'chunk_no')::bigint as chunk_no, (i.item ->> 'epoch')::bigint as epoch, i.item,
      array(
        select (o ->> 'pos')::bigint from jsonb_array_elements(i.item -> 'outcomes') o
        union
        select o::bigint from jsonb_array_elements_text(i.item -> 'open') o) as passed
    from jsonb_array_elements(p_items) as i (item)
    join campaign.email_jobs j
      on j.job_no = (i.item ->> 'job_no')::bigint and j.id = (i.item ->> 'job_id')::uuid
  )
  select t.job_no, t.chunk_no, t.epoch, t.passed, false, t.item
  from told t
  where cardinality(t.passed) > 0
    or exists (select from campaign.chunk c where c.job_no = t.job_no and c.chunk_no = t.chunk_no)
  union all
  select t.job_no, r.chunk_no, 0, '{}', true,
    jsonb_build_object('job_no', t.job_no, 'chunk_no', r.chunk_no, 'epoch', 0, 'mark', r.mark, 'outcomes', jsonb_build_array())
  from told t
  cross join lateral (
    select (p.pos - 1) / t.chunk_size + 1 as chunk_no, max(p.pos) as mark
    from unnest(t.passed) as p (pos)
    group by 1
  ) r
  where not exists (
    select from campaign.chunk c where c.job_no = t.job_no and c.chunk_no = t.chunk_no and c.kind = 'range')
$$;
