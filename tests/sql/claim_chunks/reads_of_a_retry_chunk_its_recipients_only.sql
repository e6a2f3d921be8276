begin;
\ir ../_protocol.sql
select plan(3);

create function read() returns bigint language sql volatile as $$
  select sum(pg_stat_get_xact_tuples_returned(i.indexrelid))::bigint + (select pg_stat_get_xact_tuples_returned('campaign.recipient'::regclass))
  from pg_index i where i.indrelid = 'campaign.recipient'::regclass
$$;
select start_job(2000, '{"chunk_size": 2000}') as job \gset
select claim(1);
do $$
declare
  v_job bigint := (select max(job_no) from campaign.email_jobs);
  v_go jsonb := '[]';
begin
  for n in 0..40 loop
    v_go := report(1, v_job, 1, 2000, (select coalesce(string_agg(g || case when g in ('3', '1990') then ' deferred 450' else ' sent 250' end, ', '), '') from jsonb_array_elements_text(v_go) g)) -> 'go';
    exit when v_go = '[]';
  end loop;
end
$$;
select advance('10 min');
select campaign.tick();
select read() as before \gset
create temporary table claimed as select * from claim(1);
select is((select positions from claimed), '{3,1990}'::bigint[], 'who was deferred is claimed again');
select cmp_ok(read() - :before, '<', 10::bigint, 'nobody between them is read');
select is((select mark from claimed), 2::bigint, 'from the first on');

select * from finish();
rollback;
