begin;
\ir ../_protocol.sql
select plan(2);

-- What this transaction made stale stays in the indexes until its end, as everything does while another session holds a snapshot.
create function entries_read() returns bigint language sql volatile as $$
  select sum(pg_stat_get_xact_tuples_returned(i.indexrelid))::bigint from pg_index i where i.indrelid = 'campaign.chunk'::regclass
$$;
-- A runner sends p_chunks chunks, one after the other.
create function carry(p_job bigint, p_chunks integer) returns void language plpgsql as $$
declare
  v record;
begin
  for n in 1..p_chunks loop
    perform advance('1 s');
    select * into strict v from claim(1);
    perform report(1, p_job, v.chunk_no, v.positions[2]);
    perform report(1, p_job, v.chunk_no, null, format('%s sent 250, %s sent 250', v.positions[1], v.positions[2]));
  end loop;
  perform campaign.tick();
  perform campaign.heartbeat(runner(1), known(1));
end
$$;
create function read_by_a_claim() returns bigint language plpgsql as $$
declare
  v_before bigint;
  v_known jsonb := known(1);
begin
  v_before := entries_read();
  perform campaign.claim_chunks(runner(1), 1, v_known);
  return entries_read() - v_before;
end
$$;
create function done(p_job bigint) returns void language sql as $$
  select report(1, p_job, c.chunk_no, c.last_pos), report(1, p_job, c.chunk_no, null, format('%s sent 250, %s sent 250', c.first_pos, c.last_pos))
  from campaign.chunk c where c.job_no = p_job and c.state = 'leased'
$$;

select start_job(400, '{"chunk_size": 2}') as job \gset
select carry(:job, 2);
select read_by_a_claim() as early \gset
select done(:job);
select carry(:job, 180);
select read_by_a_claim() as late \gset
select cmp_ok(:early, '>', 0, 'a claim reads by index');
select is(:late::bigint, :early::bigint, 'chunks that are done cost the claims after them nothing');

select * from finish();
rollback;
