begin;
\ir ../_protocol.sql
select plan(11);

insert into campaign.email_integrations (name, config) values ('other', '{"host": "h", "port": 25, "from_email": "a@example.com"}');
select i.id as relay from campaign.email_integrations i where i.name = 'relay' \gset
select start_job(2) as running \gset
select start_job(2) as pending \gset
select start_job(2, p_scheduled_at => campaign.now() + interval '1 day') as scheduled \gset
select start_job(2) as done \gset
select campaign.cancel_campaign(job_id(:done));
select start_job(2) as elsewhere \gset
update campaign.email_jobs set integration_id = (select id from campaign.email_integrations where name = 'other') where job_no = :elsewhere;
select claim(1);
create function failure(p_phase text, p_reply text, p_retry_in_ms integer default 0) returns jsonb language sql as $$
  select outcome(1, p_phase, p_reply) - '{pos,outcome}'::text[] || jsonb_build_object('retry_in_ms', p_retry_in_ms)
$$;

select campaign.report_relay(runner(1), :'relay', 2, failure('auth', '535 5.7.8 Bad credentials'));
select is(status(:running), 'running', 'a failure under settings that were changed since pauses nothing');
select campaign.report_relay(runner(1), :'relay', 1, failure('auth', '535 5.7.8 Bad credentials'));
select is(array[status(:running), status(:pending), status(:scheduled), status(:done), status(:elsewhere)], '{paused,paused,scheduled,cancelled,pending}', 'all that would use it now are paused');
select is((select status_reason from campaign.email_jobs where job_no = :running),
  'relay relay refuses the login: 535 5.7.8 Bad credentials. Check username and password in the integration''s config. Some providers want a password made for applications, or an API key. Then resume_campaign.',
  'the reason says what to do');
select campaign.tick();
select is(states(:running), '1 pending, 2 pending', 'nobody spends a try');
select campaign.resume_campaign(job_id(:running));
select campaign.tick();
select is(status(:running), 'running', 'a person lets it go on');
select campaign.report_relay(runner(1), :'relay', 1, '{"phase": "tls", "detail": "certificate has expired", "verdict": "stop_job", "class": "tls", "retry_in_ms": 1000}');
select is((select status_reason from campaign.email_jobs where job_no = :running),
  'relay relay offers no encryption that could be trusted: certificate has expired. Check the relay''s certificate, and host, port, "tls" and "ca_file" in the integration''s config. Then resume_campaign.', 'where no reply is judged, the advice is not that of a reply');
select refused(format('select campaign.report_relay(runner(1), %L, 1, %L)', :'relay', f), 'CP022', '{bug}', f)
from unnest(array['{"phase": "rcpt", "verdict": "defer", "retry_in_ms": 1}', '{"phase": "auth", "verdict": "fail", "retry_in_ms": 1}', '{"phase": "auth", "verdict": "defer"}']) f;
select books_hold(:running);

select campaign.resume_campaign(job_id(:running));
select campaign.report_relay(runner(1), :'relay', 1, '{"phase": "auth", "detail": "RELAY_PASSWORD is not set", "verdict": "stop_job", "class": "config", "retry_in_ms": 1000}');
select is((select status_reason from campaign.email_jobs where job_no = :running),
  'relay relay cannot be used: RELAY_PASSWORD is not set. Check the integration''s config, and what it names on the runner''s host. Then resume_campaign.', 'what is missing on the runner''s host');

select * from finish();
rollback;
