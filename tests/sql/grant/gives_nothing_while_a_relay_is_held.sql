begin;
\ir ../_protocol.sql
select plan(11);

select start_job(2) as job \gset
select start_job(1) as other \gset
select i.id as relay from campaign.email_integrations i \gset
create function granted(p_job bigint) returns bigint language sql as $$
  select (campaign.grant(runner(1), (select id from campaign.email_integrations), p_job, 5) ->> 'granted')::bigint
$$;
select claim(1);
select report(1, :job, 1, 2);
select is(reply(1, :job, 1, 1, 'dot', '454 Throttling failure: Daily message quota exceeded.') ->> 'verdict', 'ok', 'a quota is used up');
select is(granted(:job) + granted(:other), 0::bigint, 'nothing goes over the relay');
select is(states(:job), '1 pending, 2 pending', 'the recipient is tried again');
select cmp_ok((select due - campaign.now() from campaign.retry_item), '>=', interval '1 h', 'not before that');
select campaign.tick();
select is((select array_agg(status || ' ' || status_reason) from campaign.email_jobs where job_no = :other),
  array[format('pending waiting until %s: relay relay: 454 Throttling failure: Daily message quota exceeded.', timestamptz '2026-02-26 19:00+00')],
  'campaigns say for what they wait');
select is((select rate from campaign.relay_state), null, 'it is not slowed down besides');
select advance('1 h');
select is(granted(:job), 5::bigint, 'an hour later it is tried');
select campaign.tick();
select is_empty('select from campaign.email_jobs where status_reason is not null', 'nobody waits any more');

select campaign._slow_down(:'relay', '{"class": "quota"}');
update campaign.email_integrations set name = 'the relay', max_connections = 9;
select advance('1 s');
select is(granted(:other), 0::bigint, 'another name does not end it');
update campaign.email_integrations set daily_quota = 2000;
select is(granted(:other), 5::bigint, 'a person who has a larger quota does');
select books_hold(:job);

select * from finish();
rollback;
