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

create table chaos.passed_again (job_no bigint not null, pos bigint not null);

-- What a mark lets pass may be sent. Who is known to have the mail, or is in doubt by another attempt, must not be among it.
create function chaos.note_passed_again()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into chaos.passed_again
  select new.job_no, p.pos
  from campaign._positions(new, old.mark, new.mark) as p (pos)
  where not exists (
      select from campaign.attempt t where t.job_no = new.job_no and t.pos = p.pos and t.chunk_no = new.chunk_no)
    and (exists (
        select from campaign.attempt t where t.job_no = new.job_no and t.pos = p.pos and t.outcome = 'sent')
      or exists (
        select from campaign.doubt d
        where d.job_no = new.job_no and d.pos = p.pos and d.chunk_no <> new.chunk_no
          and (d.decision is null or d.decision = 'sent')));
  return null;
end
$$;

create trigger note_passed_again
after update on campaign.chunk
for each row when (new.mark > old.mark)
execute function chaos.note_passed_again();
