begin;
\ir ../_protocol.sql
select plan(16);

update campaign.email_integrations set rate_limit = 40 returning id as relay \gset
select start_job(20, '{"concurrency": 30}') as job \gset
create function granted() returns bigint language sql as $$
  select (campaign.grant(runner(1), (select id from campaign.email_integrations), (select min(job_no) from campaign.email_jobs), 1000) ->> 'granted')::bigint
$$;
create function slow(p_pos bigint, p_reply text default '421 too much') returns jsonb language sql as $$
  select reply(1, (select min(job_no) from campaign.email_jobs), 1, p_pos, 'rcpt', p_reply)
$$;
select claim(1);
select report(1, :job, 1, 20);
select is(granted(), 40::bigint, 'the relay''s rate');
select advance('1 s');
select slow(1);
select is(granted(), 20::bigint, 'half of it');
select is((select (outcome, verdict, class)::text from campaign.attempt), '(deferred,slow_down,rate)', 'the recipient is tried again');
select advance('5 s');
select slow(2);
select is(granted(), 20::bigint, 'what others heard at the same time counts once');
select advance('6 s');
select slow(3), slow(3);
select is(granted(), 10::bigint, 'half again, eleven seconds later');
select advance('299 s');
select is(granted(), 10::bigint, 'for five minutes');
select advance('1 s');
select is(granted(), 20::bigint, 'then twice as much');
select advance('5 min');
select is(granted(), 40::bigint, 'until all is well');
select advance('5 min');
select is(granted(), 40::bigint, 'and not more');
update campaign.email_integrations set rate_limit = 15;
select advance('1 s');
select slow(4);
select is(granted(), 8::bigint, 'from the rate that holds now');

update campaign.email_integrations set rate_limit = null;
select advance('1 h');
select is(granted(), 1000::bigint, 'no limit');
select campaign.report(runner(1), jsonb_build_array(item(:job, 1, null, (select string_agg(g || ' sent 250', ', ') from generate_series(5, 14) g))));
select advance('5 s');
select slow(15);
select is((select (round(base, 1), round(rate, 1))::text from campaign.relay_state), '(5.0,2.5)', 'without one: half of what went over it in 10 s, of five a second at least');
select is(granted(), 3::bigint, 'it is kept');
do $$
begin
  for i in 1..20 loop
    perform advance('11 s');
    perform campaign._slow_down((select id from campaign.email_integrations), '{"class": "rate"}');
  end loop;
end
$$;
select is((select round(60 * rate, 2) from campaign.relay_state), 1.00, 'one mail a minute is asked for in any case');
select advance('1 h');
select is(granted(), 1000::bigint, 'an hour later there is no limit');
select books_hold(:job);

select * from finish();
rollback;
