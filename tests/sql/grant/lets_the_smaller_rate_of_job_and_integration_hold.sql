begin;
\ir ../_protocol.sql
select plan(5);

update campaign.email_integrations set rate_limit = 5;
select start_job(1, '{"rate_limit": 2}') as job \gset
select start_job(1) as other \gset
select i.id as relay from campaign.email_integrations i \gset
select is(campaign.grant(runner(1), :'relay', :job, 9), '{"granted": 2, "first_in_us": 0, "interval_us": 500000}', 'two for the job');
select is(campaign.grant(runner(1), :'relay', :other, 9) -> 'granted', '3', 'three are left of the relay''s five');
select advance('1 s');
select is(campaign.grant(runner(1), :'relay', :other, 9) -> 'granted', '5', 'five for the other job');
select is(campaign.grant(runner(1), :'relay', :job, 9) -> 'granted', '0', 'and none of the relay''s for the slow one');
select start_job(1, '{"rate_limit": 50}') as fast \gset
select advance('1 s');
select is(campaign.grant(runner(1), :'relay', :fast, 99), '{"granted": 5, "first_in_us": 0, "interval_us": 200000}', 'a job may not be faster than its relay');

select * from finish();
rollback;
