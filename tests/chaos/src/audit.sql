-- What the checker must know and the database forgets. Not a part of pg_campaign.
create schema chaos;

create table chaos.recovered (job_no bigint not null, chunk_no bigint not null, open bigint not null);

create table chaos.resend (job_no bigint not null, pos bigint not null, chunk_no bigint not null);

create function chaos.note_recovery()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stack text;
begin
  get diagnostics v_stack = pg_context;
  if v_stack ~ '_recover_chunk' then
    insert into chaos.recovered values (old.job_no, old.chunk_no, old.passed - old.recorded);
  end if;
  return null;
end
$$;

create trigger note_recovery
after update on campaign.chunk
for each row when (old.state = 'leased' and new.state <> 'leased')
execute function chaos.note_recovery();

create function chaos.note_resend()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into chaos.resend values (new.job_no, new.pos, new.chunk_no);
  return null;
end
$$;

create trigger note_resend
after insert or update on campaign.doubt
for each row when (new.decision = 'resend')
execute function chaos.note_resend();
