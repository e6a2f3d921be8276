begin;
\ir ../_protocol.sql
select plan(15);

select i.id as relay from campaign.email_integrations i \gset
select start_job(2) as job \gset
select claim(1);
create function reason() returns text language sql as $$ select status_reason from campaign.email_jobs $$;
create function failed(p_runner integer, p_phase text, p_reply text, p_detail text, p_revision bigint default 1) returns void language sql as $$
  select campaign.report_relay(runner(p_runner), (select id from campaign.email_integrations), p_revision,
    outcome(1, p_phase, p_reply) - '{pos,outcome}'::text[] || jsonb_build_object('detail', p_detail, 'retry_in_ms', 90000));
  select campaign.tick();
$$;

select failed(1, 'connect', null, 'Connection refused');
select is(reason(), format('waiting for relay relay: no connection: Connection refused; runner host tries again at %s', timestamptz '2026-02-26 18:01:30+00'), 'no connection');
select is(status(:job), 'running', 'it goes on by itself');
select is((select trouble from campaign.runners where runner_id = runner(1)), 'relay: connect: Connection refused', 'the runner shows it too');
select advance('10 s');
select campaign.heartbeat(runner(1), known(1)), campaign.heartbeat(runner(2), '[]');
select failed(1, 'greeting', '450 4.3.2 Not now', '4.3.2 Not now');
select alike(reason(), 'waiting for relay relay: no welcome: 450 4.3.2 Not now; %', 'the last failure');
select is((select since from campaign.relay_trouble), timestamptz '2026-02-26 18:00+00', 'since the first');
select failed(2, 'resolve', null, 'no such host');
select alike(reason(), '%Not now%', 'of several runners the first');
select campaign.report_relay(runner(1), :'relay', 1, null);
select campaign.tick();
select is(reason(), null, 'who is at work can again: what another one cannot holds nobody up');
select campaign.report_relay(runner(2), :'relay', 1, 'null');
select campaign.tick();
select is(reason(), null, 'nobody waits any more');

select failed(2, 'connect', null, 'Connection refused');
update campaign.email_integrations set config = config || '{"port": 2526}';
select campaign.tick();
select is(reason(), null, 'other settings are another relay');
select failed(2, 'connect', null, 'Connection refused', 2);
select is(reason(), null, 'nor does it later');
select advance('31 s');
select campaign.heartbeat(runner(1), known(1));
select campaign.tick();
select is(reason(), null, 'a runner that died does not try again');
select failed(1, 'greeting', '421 Too many connections', 'Too many connections', 2);
select is((select rate < base from campaign.relay_state), true, 'a relay that has enough is slowed down');
select alike(reason(), '%Too many connections%', 'and waited for');
select campaign.pause_campaign(job_id(:job), 'waiting for lunch');
select campaign.report_relay(runner(1), :'relay', 2, null);
select campaign.tick();
select is(reason(), 'waiting for lunch', 'the reason of a person stays');
select campaign.report_relay(runner(9), :'relay', 2, '{"phase": "connect", "verdict": "defer", "retry_in_ms": 1}');
select is_empty('select from campaign.relay_trouble', 'a stranger has no trouble');

select * from finish();
rollback;
