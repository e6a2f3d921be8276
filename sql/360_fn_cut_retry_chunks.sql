-- Due retries of a job become retry chunks. The caller holds the job's lock.
create function campaign._cut_retry_chunks(p_job campaign.email_jobs)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  v_chunk_no bigint;
  v_positions bigint[];
begin
  loop
    select campaign._next_number(max(c.chunk_no)) into v_chunk_no from campaign.chunk c where c.job_no = p_job.job_no;

    with due as materialized (
      select i.pos
      from campaign.retry_item i
      where i.job_no = p_job.job_no and i.chunk_no is null and i.due <= v_now
      order by i.due, i.pos
      limit p_job.chunk_size
      for update skip locked
    ),
    carried as (
      update campaign.retry_item i
      set chunk_no = v_chunk_no
      from due d
      where i.job_no = p_job.job_no and i.pos = d.pos and i.chunk_no is null
      returning i.pos
    )
    select array_agg(c.pos order by c.pos) into v_positions from carried c;

    exit when v_positions is null;

    insert into campaign.chunk (job_no, chunk_no, kind, first_pos, last_pos, positions, n, mark)
    values (p_job.job_no, v_chunk_no, 'retry', v_positions[1], v_positions[cardinality(v_positions)], v_positions,
      cardinality(v_positions), v_positions[1] - 1);
  end loop;
end
$$;
