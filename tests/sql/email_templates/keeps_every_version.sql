begin;
\ir ../_fixtures.sql
select plan(4);

select set_clock('2026-02-27 09:00+00');
update campaign.email_templates set html = '<p>Dear {{name}}</p>', version = 99 where slug = 'thanks';
select results_eq($$ select version, updated_at from campaign.email_templates $$, $$ values (2, timestamptz '2026-02-27 09:00+00') $$, 'a change of content is a new version');
update campaign.email_templates set name = 'Thank you', version = 99 where slug = 'thanks';
select results_eq($$ select version from campaign.email_templates $$, $$ values (2) $$, 'another name is not');
select results_eq($$ select version, html, used_variables from campaign.template_version order by version $$,
  $$ values (1, '<p>Hi {{name}}</p>', '{first_name,name}'::text[]), (2, '<p>Dear {{name}}</p>', '{first_name,name}') $$, 'each content is kept');

select campaign.start_campaign('guests', 'thanks');
select throws_ok($$ delete from campaign.email_templates $$, '23503', null, 'a template that was sent cannot be deleted');

select * from finish();
rollback;
