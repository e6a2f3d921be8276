begin;
\ir ../_protocol.sql
select plan(6);

update campaign.email_integrations set rate_limit = 5;
select start_job(1) as job \gset
select start_job(1) as other \gset
select i.id as relay from campaign.email_integrations i \gset
select is(campaign.grant(runner(1), :'relay', :job, 3), '{"granted": 3, "first_in_us": 0, "interval_us": 200000}', 'three of the five of this second');
select is(campaign.grant(runner(2), :'relay', :other, 9), '{"granted": 2, "first_in_us": 600000, "interval_us": 200000}', 'another runner with another job gets the rest');
select is(campaign.grant(runner(1), :'relay', :job, 9) -> 'granted', '0', 'then there is nothing left');
select advance('400 ms');
select is(campaign.grant(runner(1), :'relay', :job, 9), '{"granted": 2, "first_in_us": 600000, "interval_us": 200000}', 'time brings two');
select advance('1 h');
select is(campaign.grant(runner(1), :'relay', :job, 99), '{"granted": 5, "first_in_us": 0, "interval_us": 200000}', 'an idle hour saves nothing up');
select advance('1 s');
select is((select sum((campaign.grant(runner(1 + g % 2), :'relay', case g % 3 when 0 then :job else :other end, 1) ->> 'granted')::int) from generate_series(1, 20) g), 5::bigint,
  'twenty calls of one share the five of a second');

select * from finish();
rollback;
