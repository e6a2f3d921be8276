-- What most tests start from, and the words in which they speak. Included inside the test's transaction.
set local client_min_messages = warning;

insert into campaign.setting (name, value) values ('clock', '2026-02-26 18:00+00');

insert into campaign.email_integrations (name, config, is_default)
values ('relay', '{"host": "127.0.0.1", "port": 2525, "password": "hunter2", "from_email": "hello@meetups.example"}', true);

insert into campaign.email_templates (name, slug, subject, html)
values ('Thanks', 'thanks', 'Thanks, {{first_name}}!', '<p>Hi {{name}}</p>');

create table public.guest (id integer primary key, name text, email text);
insert into public.guest
values (1, 'Ada Lovelace', 'ada@example.com'), (2, 'Grace Hopper', 'grace@example.com'), (3, 'Alan Turing', 'alan@example.com');
grant select on public.guest to campaign_operator;

insert into campaign.segments (name, query)
values ('guests', $$
  select g.id::text as recipient_key, g.email, jsonb_build_object('name', g.name, 'first_name', split_part(g.name, ' ', 1)) as vars
  from public.guest g
  order by g.id
$$);

create function set_clock(p_time timestamptz) returns void language sql as $$
  update campaign.setting set value = p_time::text where name = 'clock'
$$;

\ir _refused.sql

-- Plays a runner until nothing is ready: each mail has the same outcome.
create function play_runner(p_outcome jsonb default '{"outcome": "sent", "phase": "dot", "code": 250}') returns void language plpgsql as $$
declare
  c_runner constant uuid := '00000000-0000-4000-8000-000000000001';
  v_lease record;
  v_answer jsonb;
  v_outcomes jsonb;
begin
  perform campaign.register_runner(c_runner, 'host', 1, '0.1.0', 1);
  loop
    select * into v_lease from campaign.claim_chunks(c_runner, 1, '[]');
    exit when not found;
    v_outcomes := '[]';
    loop
      v_answer := campaign.report(c_runner, jsonb_build_array(jsonb_build_object(
        'job_no', v_lease.job_no, 'chunk_no', v_lease.chunk_no, 'epoch', v_lease.epoch,
        'next_mark', v_lease.positions[cardinality(v_lease.positions)], 'outcomes', v_outcomes))) -> 0;
      exit when v_answer ->> 'verdict' <> 'ok';
      select jsonb_agg(p_outcome || jsonb_build_object('pos', g)) into v_outcomes from jsonb_array_elements(v_answer -> 'go') g;
    end loop;
  end loop;
  perform campaign.tick(c_runner);
end
$$;
