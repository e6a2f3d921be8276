begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(2);

select start_tracked() as job \gset
set transaction read only;
select is(campaign.click_url(token('click', :job, 2, 1)), 'https://example.com/a?name=Grace%20Hopper', 'the address, also where nothing can be written');
select is(events(:job), 'nothing', 'nothing is recorded');

select * from finish();
rollback;
