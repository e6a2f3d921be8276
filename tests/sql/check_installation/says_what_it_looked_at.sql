begin;
\ir ../_protocol.sql
select plan(14);

create function found(p_name text) returns text language sql as $$
  select holds || ': ' || detail from campaign.check_installation() where name = p_name
$$;

select results_eq(
  $$ select name from campaign.check_installation() $$,
  $$ values ('server'), ('extension'), ('crash safety'), ('failover'), ('incarnation'), ('clock'), ('public_url'), ('runners') $$,
  'a row for each thing');
select matches(found('server'), '^true: PostgreSQL 15\.\d+.*, database \w+, as \w+$', 'which database it is');
select is(found('failover'), 'true: no standby is connected', 'without a standby nothing can be lost by a failover');
select matches(found('incarnation'), '^true: \d+/1/\d+$', 'which database it is for its runners');
update campaign.incarnation set previous = 'another', since = campaign.now(), awaits_replay = true;
select matches(found('incarnation'), '^false: another one since 2026-02-26 18:00:00\+00: work waits', 'that it waits for them');
update campaign.incarnation set awaits_replay = false;
select matches(found('incarnation'), '^true: .*, since 2026-02-26 18:00:00\+00; before: another$', 'that it was another one');
select matches(found('clock'), '^false: it stands still at 2026-02-26', 'a clock of a test is found');
delete from campaign.setting where name = 'clock';
select matches(found('clock'), '^true: ', 'and its absence');

select matches(found('public_url'), '^true: not set: mails have no List-Unsubscribe, and nothing is tracked$', 'links are a choice');
insert into campaign.setting (name, value) values ('public_url', 'http://127.0.0.1:8080');
select matches(found('public_url'), '^true: http://127.0.0.1:8080 is not https, and leads nowhere from another machine$', 'links of this machine do for mails that stay on it');
update campaign.email_integrations set config = config || '{"host": "smtp.example.com", "tls": "starttls"}';
select matches(found('public_url'), '^false: http://127.0.0.1:8080 is not https, .*: set it to https', 'for others they do not');
update campaign.setting set value = 'https://mail.example.com' where name = 'public_url';
select is(found('public_url'), 'true: https://mail.example.com', 'https does');

delete from campaign.runner;
select matches(found('runners'), '^true: none is alive', 'nobody misses a runner as long as there is nothing to send');
select start_job(1);
select matches(found('runners'), '^false: none is alive; mail waits', 'mail that waits misses one');

select * from finish();
rollback;
