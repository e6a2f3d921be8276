begin;
\ir ../_fixtures.sql
select plan(6);

insert into campaign.email_templates (name, slug, subject, html, text, variables)
values ('Form', 'form', 'Hello {{first_name}} & co', '<p>Hi {{name}}</p><a href="https://tally.so/r/J964LY?name={{name}}&email={{email}}">Form</a>',
  'Hi {{name}} from {{city}}', '{city}');

select results_eq(
  $$ select * from campaign.preview('form', 'agustin@example.com', '{"name": "Rodrigo & Fernandez", "first_name": "Rodrigo", "city": "Madrid"}') $$,
  $$ values ('Hello Rodrigo & co',
             '<p>Hi Rodrigo &amp; Fernandez</p><a href="https://tally.so/r/J964LY?name=Rodrigo%20%26%20Fernandez&email=agustin%40example.com">Form</a>',
             'Hi Rodrigo & Fernandez from Madrid') $$,
  'values are encoded for the place where they stand');
select results_eq($$ select subject, html from campaign.preview('thanks') $$, $$ values ('Thanks, Ada!', '<p>Hi Ada Lovelace</p>') $$, 'without values it shows Ada''s');
select matches((select text from campaign.preview('thanks')), '^Hi Ada Lovelace\s*$', 'a text part is made from the HTML');
select results_eq($$ select subject from campaign.preview((select id::text from campaign.email_templates where slug = 'thanks')) $$, $$ values ('Thanks, Ada!') $$, 'by id');
select refused($$ select campaign.preview('form') $$, 'CP009', '{form,text,city,vars}', 'a variable without a value is named');
select refused($$ select campaign.preview('from') $$, 'CP002', '{from,form}', 'an unknown template is refused with those that exist');

select * from finish();
rollback;
