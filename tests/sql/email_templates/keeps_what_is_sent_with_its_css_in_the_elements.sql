begin;
\ir ../_fixtures.sql
select plan(5);

insert into campaign.email_templates (name, slug, subject, html)
values ('Styled', 'styled', 'Hi', E'<style>\np { color: red }\n@media print { p { color: black } }\n</style>\n<p>Hi {{name}}</p>');
select is((select html from campaign.email_templates where slug = 'styled'), E'<style>\np { color: red }\n@media print { p { color: black } }\n</style>\n<p>Hi {{name}}</p>',
  'the template stays as it was written');
select is((select html from campaign.preview('styled')), E'<style>\np { color: red }\n@media print { p { color: black } }\n</style>\n<p style="color: red">Hi Ada Lovelace</p>',
  'the mail has its rules in the elements');
select job_no as job from campaign.start_campaign('guests', 'styled') \gset
select is(campaign.job_spec(:job) #>> '{message,template,html}', E'<style>\np { color: red }\n@media print { p { color: black } }\n</style>\n<p style="color: red">Hi {{name}}</p>',
  'runners get it so');
select refused(format($$ insert into campaign.email_templates (name, slug, subject, html) values ('x', 'x', 'x', '<style>p { color: red }</style>%s') $$, repeat('<div>', 101)),
  'CP009', '{html,data-css-inline}', 'a tree that cannot be styled is refused with a way out');
select lives_ok(format($$ insert into campaign.email_templates (name, slug, subject, html) values ('x', 'x', 'x', '<style data-css-inline="ignore">p { color: red }</style>%s') $$, repeat('<div>', 5000)),
  'and that way leads out');

select * from finish();
rollback;
