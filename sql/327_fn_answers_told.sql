-- Of a report, the answers that mean something beyond their recipient and are told for the first time: what follows from one
-- follows once, however often the call is repeated. owner: a fenced runner's news are old, they pause nothing. The caller holds the
-- chunks' locks.
create function campaign._answers_told(p_runner_id uuid, p_items jsonb)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  if not jsonb_path_exists(p_items, '$[*].outcomes[*] ? (@.verdict == "stop_job" || @.verdict == "slow_down" || (@.verdict == "fail" && exists(@.rule)))') then
    return '[]';
  end if;
  return (
    select coalesce(jsonb_agg(o.told || jsonb_build_object(
      'job_no', i.job_no, 'chunk_no', i.chunk_no, 'integration_id', j.integration_id,
      'owner', campaign._owns(c, p_runner_id, i.epoch)) order by i.nr, o.nr), '[]')
    from rows from (jsonb_to_recordset(p_items) as (job_no bigint, chunk_no bigint, epoch bigint, outcomes jsonb))
      with ordinality as i (job_no, chunk_no, epoch, outcomes, nr)
    join campaign.chunk c on c.job_no = i.job_no and c.chunk_no = i.chunk_no
    join campaign.email_jobs j on j.job_no = i.job_no
    cross join lateral jsonb_array_elements(i.outcomes) with ordinality as o (told, nr)
    where o.told ->> 'verdict' in ('stop_job', 'slow_down', 'fail')
      and (
        select true from campaign.attempt t
        where t.job_no = i.job_no and t.pos = (o.told ->> 'pos')::bigint and t.chunk_no = i.chunk_no) is null);
end
$$;
