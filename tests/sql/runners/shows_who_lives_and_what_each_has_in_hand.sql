begin;
\ir ../_protocol.sql
select plan(6);

select is((select string_agg(concat_ws(' ', host, pid, version, alive, jobs, leases, open), ', ' order by pid) from campaign.runners),
  'host 1 0.1.0 t 0 0 0, host 2 0.1.0 t 0 0 0', 'two runners without work');
select start_job(6, '{"chunk_size": 3}') as job \gset
select start_job(3) as other \gset
select claim(1, 3);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent');
select is((select (alive, jobs, leases, open)::text from campaign.runners where pid = 1), '(t,2,3,2)', 'jobs, leases, and mails that may be under way');
create role rita in role campaign_reader;
set local role rita;
select is((select count(*) from campaign.runners where alive), 2::bigint, 'readers see it');
reset role;
select advance('30 s');
select is((select alive from campaign.runners where pid = 1), false, 'silent for 30 s');
select campaign.heartbeat(runner(1), known(1));
select is((select array_agg(pid) from campaign.runners where alive), '{1}', 'heard again');
select campaign.unregister_runner(runner(2));
select is((select array_agg(pid) from campaign.runners), '{1}', 'one that ended properly is gone');

select * from finish();
rollback;
