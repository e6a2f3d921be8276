begin;
\ir ../_protocol.sql
select plan(18);

update campaign.email_integrations set daily_quota = 10 returning id as relay \gset
select start_job(1) as job \gset
select start_job(1) as other \gset
create function granted(p_runner integer, p_job bigint, p_want integer, p_unused integer default 0) returns bigint language sql as $$
  select (campaign.grant(runner(p_runner), (select id from campaign.email_integrations), p_job, p_want, p_unused) ->> 'granted')::bigint
$$;
select is(granted(1, :job, 6), 6::bigint, 'six of ten');
select is(granted(2, :other, 6), 4::bigint, 'the rest for another runner and job');
select is(granted(1, :job, 1), 0::bigint, 'then there is nothing');
select is(granted(2, :other, 2, 3), 2::bigint, 'tokens that lapsed unused come back');
select is(granted(1, :job, 9), 1::bigint, 'to everybody');
select is(granted(2, :other, 9, 100), 3::bigint, 'but no more than the runner had itself');
select is(granted(2, :other, 9, -5), 0::bigint, 'and not less than nothing');
select is(granted(3, :job, 9, 9), 0::bigint, 'a stranger gives nothing back');
select is((campaign._relay_used(:'relay', campaign.now())).n, 10::bigint, 'ten in all');

select campaign.tick();
select is((select status_reason from campaign.email_jobs where job_no = :job),
  format('waiting until %s: relay relay: daily_quota of 10 mails is used up', timestamptz '2026-02-27 18:11+00'), 'campaigns say for what they wait');
update campaign.email_integrations set daily_quota = 12;
select is(granted(1, :job, 9), 2::bigint, 'a greater quota holds at once');
update campaign.email_integrations set daily_quota = 5;
select is(granted(1, :job, 9), 0::bigint, 'a smaller one too');
update campaign.email_integrations set daily_quota = 12;
select advance('24 h');
select is(granted(1, :job, 9), 0::bigint, 'a day later the last mail is not a day old for sure');
select advance('12 min');
select is(granted(1, :job, 9), 9::bigint, 'then it is');
select campaign.tick();
select is((select status_reason from campaign.email_jobs where job_no = :job), null, 'nobody waits any more');
select is((select count(*) from campaign.relay_usage), 1::bigint, 'old counts are gone');

-- Whatever is asked for when: in no 24 hours are there more.
create temporary table sent_at (at timestamptz, n bigint);
update campaign.email_integrations set daily_quota = 100;
select campaign.register_runner(runner(r), 'host', r, '0.1.0', 1) from generate_series(1, 2) r;
select setseed(0.4);
select advance('25 h');
do $$
begin
  for i in 1..600 loop
    perform advance(random() * interval '15 min');
    insert into sent_at select campaign.now(), granted(1 + i % 2, (select min(job_no) from campaign.email_jobs), floor(random() * 9)::integer);
  end loop;
end
$$;
select cmp_ok((select max(s) from (select sum(n) over (order by at range between interval '24 h' preceding and current row) as s from sent_at) w), '<=', 100::numeric, 'never more than the quota in 24 hours');
select cmp_ok((select sum(n) from sent_at), '>', 200::numeric, 'and not much less');

select * from finish();
rollback;
