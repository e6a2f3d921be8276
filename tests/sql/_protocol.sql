-- What the tests of the runners' calls start from: two runners, a clock that stands still, and the words in which they speak.
-- Included inside the test's transaction.
set local client_min_messages = error;

insert into campaign.setting (name, value) values ('clock', '2026-02-26 18:00+00');
insert into campaign.email_integrations (name, config, rate_limit, is_default)
values ('relay', '{"host": "127.0.0.1", "port": 2525, "username": "u", "password": "hunter2", "from_email": "hello@meetups.example", "from_name": "Meetups"}', null, true);
insert into campaign.email_templates (name, slug, subject, html)
values ('Letter', 'letter', 'Hi {{first_name}}', '<p>Hi {{name}}</p>');

\ir _refused.sql

create function advance(p_by interval) returns void language sql as $$
  update campaign.setting set value = (campaign.now() + p_by)::text where name = 'clock'
$$;

-- Runner 1, 2, …
create function runner(p_runner integer) returns uuid language sql immutable as $$
  select ('00000000-0000-4000-8000-' || lpad(p_runner::text, 12, '0'))::uuid
$$;

create function start_job(p_n integer, p_config jsonb default '{}', p_on_uncertain text default 'hold', p_scheduled_at timestamptz default null)
returns bigint language sql as $$
  select (campaign.start_campaign('custom', 'letter', config => p_config, on_uncertain => p_on_uncertain, scheduled_at => p_scheduled_at,
    allow_repeat => true, audience_query => format($q$
      select g::text as recipient_key, format('p%%s@example.com', g) as email, '{"name": "N", "first_name": "F"}'::jsonb as vars
      from generate_series(1, %s) g$q$, p_n))).job_no
$$;

create function job_id(p_job bigint) returns uuid language sql as $$
  select j.id from campaign.email_jobs j where j.job_no = p_job
$$;

create function status(p_job bigint) returns text language sql as $$
  select j.status from campaign.email_jobs j where j.job_no = p_job
$$;

create function known(p_runner integer) returns jsonb language sql as $$
  select coalesce(jsonb_agg(jsonb_build_object('job_no', c.job_no, 'chunk_no', c.chunk_no, 'epoch', c.epoch)), '[]')
  from campaign.chunk c
  where c.state = 'leased' and c.runner_id = runner(p_runner)
$$;

-- A runner that knows all its leases asks for more.
create function claim(p_runner integer, p_want integer default 1)
returns table (job_no bigint, chunk_no bigint, mark bigint, positions bigint[]) language sql as $$
  select c.job_no, c.chunk_no, c.mark, c.positions from campaign.claim_chunks(runner(p_runner), p_want, known(p_runner)) c
$$;

create function epoch_of(p_job bigint, p_chunk bigint) returns bigint language sql as $$
  select c.epoch from campaign.chunk c where c.job_no = p_job and c.chunk_no = p_chunk
$$;

-- '1 sent 250, 2 deferred' as outcomes; p_mark is a position, or null.
create function item(p_job bigint, p_chunk bigint, p_mark bigint default null, p_said text default '', p_epoch bigint default null)
returns jsonb language sql as $$
  select jsonb_build_object('job_no', p_job, 'chunk_no', p_chunk, 'epoch', coalesce(p_epoch, epoch_of(p_job, p_chunk)), 'next_mark', p_mark,
    'outcomes', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'pos', split_part(w, ' ', 1)::bigint, 'outcome', split_part(w, ' ', 2), 'code', nullif(split_part(w, ' ', 3), '')::integer,
        'phase', 'dot', 'detail', 'reply'))), '[]')
      from regexp_split_to_table(nullif(p_said, ''), ', ') w))
$$;

-- The answer to one item, without its key.
create function report(p_runner integer, p_job bigint, p_chunk bigint, p_mark bigint default null, p_said text default '', p_epoch bigint default null)
returns jsonb language sql as $$
  select (campaign.report(runner(p_runner), jsonb_build_array(item(p_job, p_chunk, p_mark, p_said, p_epoch))) -> 0) - '{job_no,chunk_no,epoch}'::text[]
$$;

create function release(p_runner integer, p_job bigint, p_chunk bigint, p_said text default '', p_epoch bigint default null)
returns jsonb language sql as $$
  select (campaign.release(runner(p_runner), jsonb_build_array(item(p_job, p_chunk, null, p_said, p_epoch))) -> 0) - '{job_no,chunk_no,epoch}'::text[]
$$;

-- An outcome as a runner makes it of a reply, by the rules; null: the connection is lost.
create function outcome(p_pos bigint, p_phase text, p_reply text) returns jsonb language sql as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'pos', p_pos, 'phase', p_phase, 'code', substr(p_reply, 1, 3)::integer, 'enhanced', substring(p_reply from '^\d{3} ([245]\.\d+\.\d+)'),
    'detail', coalesce(substr(p_reply, 5), 'connection lost'), 'verdict', j.verdict, 'class', j.class, 'rule', j.rule,
    'outcome', case j.verdict when 'sent' then 'sent' when 'fail' then 'failed' when 'uncertain' then 'uncertain'
      when 'defer' then 'deferred' when 'slow_down' then 'deferred' else 'returned' end))
  from campaign.judge_reply(p_phase, p_reply) j
$$;

-- The answer to one item whose only outcome is that of a reply.
create function reply(p_runner integer, p_job bigint, p_chunk bigint, p_pos bigint, p_phase text, p_reply text, p_epoch bigint default null)
returns jsonb language sql as $$
  select (campaign.report(runner(p_runner), jsonb_build_array(
    item(p_job, p_chunk, null, '', p_epoch) || jsonb_build_object('outcomes', jsonb_build_array(outcome(p_pos, p_phase, p_reply))))) -> 0)
    - '{job_no,chunk_no,epoch}'::text[]
$$;

-- A runner has been silent for longer than stale_after, and ticks have gone on.
create function fall_silent(p_runner integer) returns void language sql as $$
  update campaign.runner set heartbeat_at = campaign.now() - interval '31 s' where runner_id = runner(p_runner);
  update campaign.tick_state set alive_since = '-infinity';
$$;

-- Due retries become a chunk, and the runner takes it. Returns its number.
create function retry(p_runner integer, p_after interval default '10 min') returns bigint language plpgsql as $$
begin
  perform advance(p_after);
  perform campaign.tick();
  return (select c.chunk_no from claim(p_runner) c);
end
$$;

create function states(p_job bigint) returns text language sql as $$
  select string_agg(s.pos || ' ' || s.state, ', ' order by s.pos) from campaign.recipient_state s where s.job_no = p_job
$$;

create function books_hold(p_job bigint, p_description text default 'the books hold') returns text language sql as $$
  select is((select string_agg(c.name || ': ' || c.detail, '; ') from campaign.check_campaign(job_id(p_job)) c where not c.holds), null, p_description)
$$;

select campaign.register_runner(runner(r), 'host', r, '0.1.0', 1) from generate_series(1, 2) r;
select campaign.tick();
