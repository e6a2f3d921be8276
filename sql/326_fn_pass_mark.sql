-- Step 5 of a report: moves the mark as far as the window allows, and records who may not be sent to after all.
-- The caller holds the locks, owns the lease, and has seen that the job runs. p_untouched: as _is_untouched says of the chunk.
create function campaign._pass_mark(
  p_runner_id uuid,
  p_chunk campaign.chunk,
  p_next_mark bigint,
  p_untouched boolean,
  out mark bigint,
  out passed bigint,
  out refused bigint[]
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_room bigint := greatest(0, campaign._send_window(p_chunk.job_no) - (p_chunk.passed - p_chunk.recorded));
  v_new bigint[];
begin
  refused := '{}';
  if p_chunk.kind = 'range' then
    mark := least(p_next_mark, p_chunk.last_pos, p_chunk.mark + v_room);
    passed := p_chunk.passed + mark - p_chunk.mark;
    if p_untouched and not exists (select from campaign.suppressions) then
      return;
    end if;
    v_new := array(select campaign._positions(p_chunk, p_chunk.mark, mark));
  else
    v_new := array(select p.pos from campaign._positions(p_chunk, p_chunk.mark, p_next_mark) as p (pos) order by p.pos limit v_room);
    passed := p_chunk.passed + cardinality(v_new);
    -- Between two positions the mark stands on the last one passed.
    mark := coalesce(v_new[cardinality(v_new)], p_chunk.mark);
  end if;

  with refusal as (
    select p.pos, case when s.suppressed then 'suppressed' else 'skipped' end as outcome
    from unnest(v_new) as p (pos)
    cross join lateral (
      select (
        select true
        from campaign.recipient r
        join campaign.suppressions x on x.email = campaign._fold_address(r.email)
        where r.job_no = p_chunk.job_no and r.pos = p.pos) is not null as suppressed
      where exists (select from campaign.suppressions)
      union all
      select false
      where not exists (select from campaign.suppressions)
    ) s
    where s.suppressed
      -- Not EXISTS, which would be planned as one look at all attempts of the job.
      or (not p_untouched and (
        (select true from campaign.attempt t where t.job_no = p_chunk.job_no and t.pos = p.pos and t.outcome = 'sent' limit 1)
        or (
          select true from campaign.doubt d
          where d.job_no = p_chunk.job_no and d.pos = p.pos and d.chunk_no <> p_chunk.chunk_no
            and (d.decision is null or d.decision = 'sent')
          limit 1)))
  ),
  inserted as (
    insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at)
    select p_chunk.job_no, f.pos, p_chunk.chunk_no, f.outcome, p_runner_id, p_chunk.epoch, campaign.now()
    from refusal f
    returning pos
  )
  select coalesce(array_agg(i.pos), '{}') into refused from inserted i;

  delete from campaign.retry_item i
  where i.job_no = p_chunk.job_no and i.pos = any (refused) and i.chunk_no = p_chunk.chunk_no;
end
$$;
