begin;
\ir ../_fixtures.sql
select plan(13);

create function save(p_subject text, p_html text, p_text text default null, p_variables text[] default '{}') returns void language sql as $$
  insert into campaign.email_templates (name, slug, subject, html, text, variables) values ('T', 't', p_subject, p_html, p_text, p_variables)
$$;

select refused($$ select save('Hi', E'<p>\n{{name}</p>') $$, 'CP009', '{"html, line 2, column",syntax error}', 'a syntax error, with its place');
select refused($$ select save('Hi', E'<h1>Hi</h1>\n<p>{{frist_name}}</p>') $$, 'CP009', '{"html, line 2, column 6",frist_name,"Did you mean `first_name`?"}',
  'an unknown variable, with its place and what may have been meant');
select refused($$ select save('In {{city}}', '<p>Hi</p>') $$, 'CP009', '{"subject, line 1, column 6",city}', 'in the subject');
select refused($$ select save('Hi', '<p>Hi</p>', '{% if city %}x{% endif %}') $$, 'CP009', '{"text, line 1, column 7",city}', 'in the text');
select lives_ok($$ select save('In {{city}}', '<p>Hi</p>', '{% if city %}x{% endif %}', '{city}') $$, 'a declared variable may be used');
select refused($$ update campaign.email_templates set variables = '{}' where slug = 't' $$, 'CP009', '{city}', 'and may not be taken away from the template that uses it');
select refused($$ insert into campaign.email_templates (name, slug, subject, html) values ('T', 'No slug', 'Hi', '<p>Hi</p>') $$, 'CP008', '{No slug,lower-case}', 'a slug that is none');

select refused(format($$ insert into campaign.email_templates (name, slug, subject, html) values (%s, %s, %s, '<p>Hi</p>') $$, name, slug, subject), 'CP008', told, 'too long or too short: ' || what)
from (values
  ('slug', $$'T'$$, $$repeat('x', 101)$$, $$'Hi'$$, '{at most 100}'::text[]),
  ('slug of a book', $$'T'$$, $$(select string_agg(md5(g::text), '') from generate_series(1, 9375) g)$$, $$'Hi'$$, '{at most 100}'),
  ('no name', $$''$$, $$'u'$$, $$'Hi'$$, '{1 to 200}'), ('name', $$repeat('x', 201)$$, $$'u'$$, $$'Hi'$$, '{1 to 200}'),
  ('subject', $$'T'$$, $$'u'$$, $$repeat('x', 999)$$, '{998}')) v (what, name, slug, subject, told);
select refused($$ select campaign.start_campaign('guests', 'thanks', subject => repeat('x', 999)) $$, 'CP008', '{998}', 'nor has a campaign such a subject of its own');

select * from finish();
rollback;
