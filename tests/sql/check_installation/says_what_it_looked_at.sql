begin;
\ir ../_protocol.sql
select plan(7);

create function found(p_name text) returns text language sql as $$
  select holds || ': ' || detail from campaign.check_installation() where name = p_name
$$;

select results_eq(
  $$ select name from campaign.check_installation() $$,
  $$ values ('server'), ('extension'), ('crash safety'), ('failover'), ('clock'), ('runners') $$,
  'a row for each thing');
select matches(found('server'), '^true: PostgreSQL 15\.\d+.*, database \w+, as \w+$', 'which database it is');
select is(found('failover'), 'true: no standby is connected', 'without a standby nothing can be lost by a failover');
select matches(found('clock'), '^false: it stands still at 2026-02-26', 'a clock of a test is found');
delete from campaign.setting where name = 'clock';
select matches(found('clock'), '^true: ', 'and its absence');

delete from campaign.runner;
select matches(found('runners'), '^true: none is alive', 'nobody misses a runner as long as there is nothing to send');
select start_job(1);
select matches(found('runners'), '^false: none is alive; mail waits', 'mail that waits misses one');

select * from finish();
rollback;
