begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(4);

insert into campaign.email_templates (name, slug, subject, html)
values ('Preferences', 'preferences', 'Yours', '<a href="{{unsubscribe_url}}">Unsubscribe</a> <a href="https://example.com/prefs?u={{unsubscribe_url}}">Preferences</a>');
select start_tracked() as job \gset
select start_tracked('preferences') as preferences \gset
set transaction read only;
select is(campaign.click_url(token('click', :job, 2, 1)), 'https://example.com/a?name=Grace%20Hopper', 'the address, also where nothing can be written');
select is(campaign.click_url(token('click', :preferences, 2, 1)),
  'https://example.com/prefs?u=https%3A%2F%2Fmail.example.com%2Funsubscribe%3Ft%3D' || token('unsubscribe', :preferences, 2), 'the recipient''s own unsubscribe link within it, too');
select is(campaign.click_url(token('click', :preferences, 2, 2)), null, 'the one that is a link itself leads through us anyhow');
select is(events(:job), 'nothing', 'nothing is recorded');

select * from finish();
rollback;
