begin;
\ir ../_protocol.sql
select plan(4);

select campaign.register_runner(runner(r), 'host', r, '0.1.0', 1) from generate_series(3, 5) r;
update campaign.email_integrations set max_connections = 2;
create function ask(p_runner integer, p_keep integer) returns integer language sql as $$
  select (campaign.connections(runner(p_runner), (select id from campaign.email_integrations), p_keep, 3) ->> 'allowed')::integer
$$;
create temporary table holder (runner integer primary key, holds integer);
insert into holder select r, 0 from generate_series(1, 5) r;
create temporary table seen (at timestamptz, runner integer, holds integer);
-- Each asks once a second, and closes what it may not keep at once.
do $$
declare
  v_allowed integer;
  v_runner integer;
begin
  for i in 1..200 loop
    for v_runner in select h.runner from holder h order by md5(h.runner || '/' || i) loop
      v_allowed := ask(v_runner, (select holds from holder where runner = v_runner));
      update holder set holds = v_allowed where runner = v_runner;
      insert into seen select campaign.now() + v_runner * interval '1 ms', v_runner, sum(holds) from holder;
    end loop;
    insert into seen select campaign.now(), h.runner, -h.holds from holder h where h.holds > 0;
    perform advance('1 s');
    update campaign.runner set heartbeat_at = campaign.now();
  end loop;
end
$$;
select is((select max(holds) from seen), 2, 'never more than two in all');
select is((select count(distinct runner) from seen where holds < 0), 5::bigint, 'each of five has its turn');
select cmp_ok((select min(n) from (select count(*) as n from seen where holds < 0 group by runner) t), '>=', 50::bigint, 'of about the same length');
select cmp_ok((select -sum(holds) from seen where holds < 0), '>', 380::bigint, 'and they do not lie idle');

select * from finish();
rollback;
