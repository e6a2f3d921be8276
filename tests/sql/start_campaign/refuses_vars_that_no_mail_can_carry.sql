-- One such recipient would make every claim fail that carries it.
begin;
\ir ../_fixtures.sql
select plan(6);

insert into campaign.email_templates (name, slug, subject, html) values ('Hello', 'hello-all', 'Hello', '<p>Hello</p>');
create function trying(p_vars text) returns text language sql as $$
  select format('select campaign.start_campaign(''custom'', ''hello-all'', audience_query => %L)',
    format('select ''1'' as recipient_key, ''ana@example.com'' as email, %L::jsonb as vars', p_vars))
$$;
select refused(trying('["first_name"]'), 'CP009', '{1 of 1 recipients}', 'a list');
select refused(trying('{"name": {"a": 1}}'), 'CP009', '{1 of 1 recipients,jsonb_build_object}', 'an object in an object');
select refused(trying('{"name": ["a"]}'), 'CP009', '{1 of 1}', 'a list in an object');
select refused(trying('{"name": 1e400}'), 'CP009', '{1 of 1}', 'a number that is no double');
select lives_ok(trying('{"name": "Ana", "age": 30, "member": true, "city": null}'), 'strings, numbers, booleans and null are fine');
select is((select count(*) from campaign.email_jobs), 1::bigint, 'what was refused left nothing');

select * from finish();
rollback;
