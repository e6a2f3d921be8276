-- A standby that loses the last commits, and runners that remember what they did. Included after _protocol.sql.

create schema standby;

create function replicated() returns setof text language sql as $$
  select c.relname::text from pg_class c where c.relnamespace = 'campaign'::regnamespace and c.relkind = 'r' and c.relname <> 'setting'
$$;

-- The standby has everything up to here.
create function standby_receives() returns void language plpgsql as $$
declare
  v_table text;
begin
  for v_table in select * from replicated() loop
    execute format('drop table if exists standby.%I', v_table);
    execute format('create table standby.%I as table campaign.%I', v_table, v_table);
  end loop;
end
$$;

-- It is promoted: what came later is lost, and the rows are those of another timeline.
create function fail_over() returns void language plpgsql as $$
declare
  v_table text;
begin
  perform set_config('session_replication_role', 'replica', true);
  for v_table in select * from replicated() loop
    execute format('delete from campaign.%I', v_table);
    execute format('insert into campaign.%I overriding system value select * from standby.%I', v_table, v_table);
  end loop;
  perform set_config('session_replication_role', 'origin', true);
  perform become_another('timeline');
end
$$;

-- The rows are found in a database that is not theirs: on another timeline, or with another oid (a clone, a restored dump).
create function become_another(p_by text) returns void language sql as $$
  update campaign.runner set incarnation = regexp_replace(incarnation, case p_by when 'timeline' then '/\d+/' else '/\d+$' end, case p_by when 'timeline' then '/0/' else '/0' end);
  update campaign.incarnation set name = regexp_replace(name, case p_by when 'timeline' then '/\d+/' else '/\d+$' end, case p_by when 'timeline' then '/0/' else '/0' end);
$$;

-- One lease as its runner remembers it: '1 sent, 2 failed 550' and what it had in hand besides.
create function lease(p_job bigint, p_chunk bigint, p_epoch bigint, p_mark bigint, p_open bigint[] default '{}', p_said text default '') returns jsonb language sql as $$
  select item(p_job, p_chunk, null, p_said, p_epoch) || jsonb_build_object('job_id', job_id(p_job), 'mark', p_mark, 'open', p_open)
$$;

create function replay(p_runner integer, p_leases jsonb default '[]', p_last boolean default true, p_remembers_from_us bigint default null) returns jsonb language sql as $$
  select campaign.replay(runner(p_runner), 'host', p_runner, '0.1.0', p_remembers_from_us, p_leases, p_last)
$$;
