begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(5);

insert into public.guest values (4, 'Zoë "Ω" & <b>''s 🙂', 'zo+e%@example.com');
select start_tracked() as job \gset
select results_eq(format('select n, campaign.record_click(token(''click'', %s, 1, n), %L) from generate_series(1, 4) n', :job, :'browser'), $$ values
  (1, 'https://example.com/a?name=Ada%20Lovelace'), (2, 'http://example.com/b'), (3, 'https://example.com/c?x=1&y=2'), (4, null) $$,
  'links are counted in the order of the mail, those to web pages only');
select is(campaign.record_click(token('click', :job, 4, 1)), 'https://example.com/a?name=Zo%C3%AB%20%22%CE%A9%22%20%26%20%3Cb%3E%27s%20%F0%9F%99%82', 'each recipient''s own');
select results_eq(format('select link, link_url from campaign.tracking_event where job_no = %s and pos = 1 order by link', :job), $$ values
  (1, 'https://example.com/a?name=Ada%20Lovelace'), (2, 'http://example.com/b'), (3, 'https://example.com/c?x=1&y=2') $$, 'and recorded as it was followed');

update campaign.email_templates set html = '<a href="https://evil.example">A</a>' where slug = 'news';
update campaign.setting set value = 'https://elsewhere.example.com' where name = 'public_url';
select is(campaign.record_click(token('click', :job, 1, 2), null), 'http://example.com/b', 'a mail that was sent leads where it led, whatever is changed');
select is((select string_agg(agent, ' ' order by event_no) from campaign.tracking_event where job_no = :job and pos = 4), 'scanner', 'whoever does not say who it is is a program');

select * from finish();
rollback;
