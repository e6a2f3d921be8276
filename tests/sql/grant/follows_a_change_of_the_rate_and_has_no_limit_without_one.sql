begin;
\ir ../_protocol.sql
select plan(10);

select start_job(1) as job \gset
select i.id as relay from campaign.email_integrations i \gset
select is(campaign.grant(runner(1), :'relay', :job, 700), '{"granted": 700, "first_in_us": 0, "interval_us": 0}', 'no rate, no limit');
update campaign.email_integrations set rate_limit = 10;
select is(campaign.grant(runner(1), :'relay', :job, 700), '{"granted": 10, "first_in_us": 0, "interval_us": 100000}', 'a rate holds at once');
update campaign.email_integrations set rate_limit = 2;
select advance('1 s');
select is(campaign.grant(runner(1), :'relay', :job, 700), '{"granted": 2, "first_in_us": 0, "interval_us": 500000}', 'slower');
update campaign.email_integrations set rate_limit = 0.25;
select advance('1 s');
select is(campaign.grant(runner(1), :'relay', :job, 700), '{"granted": 1, "first_in_us": 0, "interval_us": 4000000}', 'one each four seconds');
select advance('3 s');
select is(campaign.grant(runner(1), :'relay', :job, 700) -> 'granted', '0', 'not before');
select advance('1 s');
select is(campaign.grant(runner(1), :'relay', :job, 700) -> 'granted', '1', 'now');
update campaign.email_jobs set config = config || '{"rate_limit": 1}' where job_no = :job;
update campaign.email_integrations set rate_limit = 100;
select advance('4 s');
select is(campaign.grant(runner(1), :'relay', :job, 700), '{"granted": 1, "first_in_us": 0, "interval_us": 1000000}', 'the job''s own rate can change too');

update campaign.email_jobs set config = config || '{"rate_limit": null}' where job_no = :job;
update campaign.email_integrations set rate_limit = 0.001;
select advance('2 s');
select is(campaign.grant(runner(1), :'relay', :job, 700) -> 'granted', '1', 'one in a quarter of an hour');
update campaign.email_integrations set rate_limit = 50;
select is(campaign.grant(runner(1), :'relay', :job, 700) -> 'granted', '0', 'faster');
select advance('1.02 s');
select is(campaign.grant(runner(1), :'relay', :job, 700) -> 'granted', '50', 'from the next second on, not in a quarter of an hour');

select * from finish();
rollback;
