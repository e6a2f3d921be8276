-- Goes on counting the facts of a job, at least one part and until p_longest of the statement is over. Returns whether all are counted. The caller
-- holds the job's lock.
create function campaign._count_on(p_job_no bigint, p_longest interval)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  c_part constant bigint := 10000;
  c_all constant bigint := 9223372036854775807;
  v_all bigint := (select j.total_contacts from campaign.email_jobs j where j.job_no = p_job_no);
  v_proof campaign.proof := row(p_job_no, 0, 0, 0, 0, 0, 0);
  v_kept campaign.proof;
  v_part record;
begin
  delete from campaign.proof p where p.job_no = p_job_no returning p.* into v_kept;
  if found then
    v_proof := v_kept;
  end if;
  while v_proof.up_to < v_all loop
    select f.* into v_part
    from campaign._count_facts(p_job_no, v_proof.up_to, case when v_proof.up_to + c_part < v_all then v_proof.up_to + c_part else c_all end) f;
    v_proof.up_to := v_proof.up_to + c_part;
    v_proof.total := v_proof.total + v_part.total;
    v_proof.sent := v_proof.sent + v_part.sent;
    v_proof.failed := v_proof.failed + v_part.failed;
    v_proof.uncertain := v_proof.uncertain + v_part.uncertain;
    v_proof.suppressed := v_proof.suppressed + v_part.suppressed;
    exit when campaign._time_is_up(p_longest);
  end loop;
  insert into campaign.proof values (v_proof.*);
  return v_proof.up_to >= v_all;
end
$$;
