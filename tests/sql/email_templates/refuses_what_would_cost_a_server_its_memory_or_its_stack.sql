begin;
\ir ../_fixtures.sql
select plan(79);

-- A backend that runs out of stack takes the whole cluster down; the Rust in it cannot be interrupted.
create table hostile (what text, template text, says text);
insert into hostile values
  ('lists of lists of lists of long texts', $$ {{ ([[["x" * 1000] * 100] * 100] * 1000) ~ 1 }} $$, 'a list cannot be used here'),
  ('a list that holds itself twice, again and again', '{% set a = 1 %}' || repeat('{% set a = [a, a] %}', 26) || '{{ a }}', 'a list cannot be used here'),
  ('a map that does', '{% set a = 1 %}' || repeat('{% set a = {1: a, 2: a} %}', 26) || '{{ a }}', 'a map cannot be used here'),
  ('lists in lists, deeper than a stack', '{% set a = 1 %}' || repeat('{% set a = [a] %}', 9000) || '{{ a }}', 'a list cannot be used here'),
  ('a list added to itself', '{% set a = [1] %}' || repeat('{% set a = a + a %}', 22) || '{{ a ~ 1 }}', 'a list cannot be used here'),
  ('a text cut and repeated', '{% set a = name|split %}' || repeat('{% set a = a * 1000 %}', 9) || '{{ a }}', 'a list cannot be used here'),
  ('a range that is printed', '{{ range(100000) }}', 'a list cannot be used here'),
  ('a map that a loop hands out', '{% for x in "a" %}' || repeat('{% set k = loop.cycle(a=1, b=k) %}', 26) || '{{ k }}{% endfor %}', 'this of a loop cannot be used here'),
  ('a long text that is looked for in a loop', '{% set a = "x" * 300000 %}{% for i in range(40000) %}{% set b = "a"|split(a)|first %}{% endfor %}', 'ran out of fuel'),
  ('a number of thousands of digits', $$ {{ '%.65535e'|format(1.5) }} $$, 'two digits'),
  ('what holds itself', '{% set n = namespace(x=1) %}{% set n.x = n %}{{ n }}', 'unknown variable `namespace`'),
  ('a text doubled again and again', '{% set a = "x" %}' || repeat('{% set a = a ~ a %}', 60) || '{{ a }}', 'ran out of fuel'),
  ('a text repeated without end', '{{ "x" * 1000000000 }}', 'ran out of fuel'),
  ('a number of a billion digits', $$ {{ '%1000000000d'|format(1) }} $$, 'two digits'),
  ('a loop in a loop', '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}', 'ran out of fuel'),
  ('a long text, changed in a loop', '{% set a = "x" * 1500000 %}{% for i in range(40000) %}{% set b = a|title|reverse %}{% endfor %}', 'ran out of fuel'),
  ('a macro that calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', 'recursion'),
  ('a chain of signs', '{{ ' || repeat('-', 20000) || '1 }}', 'more than 100'),
  ('a chain of texts', '{{ name' || repeat(' ~ name', 20000) || ' }}', 'more than 100'),
  ('brackets', '{{ ' || repeat('(', 20000) || '1', 'more than'),
  ('blocks', repeat('{% if 1 %}', 20000), 'more than 20 blocks'),
  ('branches', '{% if 0 %}' || repeat('{% elif 0 %}', 20000) || '{% endif %}', 'more than 50 elif'),
  ('more than can be sent', repeat('x', 300000), 'kB');

create function drafted(p_draft jsonb) returns void language plpgsql as $$
begin
  set local role campaign_admin;
  perform campaign._api_preview_draft(p_draft);
  reset role;
end
$$;

select refused(format('select drafted(%L)', jsonb_build_object('subject', 's', 'html', h.template, 'text', 't')), 'CP009', array[h.says], 'a draft of ' || h.what)
from hostile h;
select refused(format('select drafted(%L)', jsonb_build_object('subject', 's', 'html', 'h', 'text', h.template)), 'CP009', array[h.says], 'a text of ' || h.what)
from hostile h;
select refused(format('select drafted(%L)', jsonb_build_object('subject', h.template, 'html', 'h', 'text', 't')),
  case when length(h.template) > 998 then 'CP008' else 'CP009' end, array[case when length(h.template) > 998 then '998' else h.says end], 'a subject of ' || h.what)
from hostile h;

select refused(format($$ insert into campaign.email_templates (name, slug, subject, html) values ('T', 't', 's', %L) $$, h.template), 'CP009', array[h.says],
  'nor is it saved: ' || h.what)
from hostile h where h.says like '%cannot be used here';
select refused(format($$ select campaign.start_campaign('guests', 'thanks', subject => %L) $$, '{{ [[1]] }}'), 'CP009', '{"a list cannot be used here","{% for x in … %}"}',
  'nor started with');
select cmp_ok(clock_timestamp() - now(), '<', interval '20 s', 'all that at once');

select * from finish();
rollback;
