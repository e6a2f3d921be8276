begin;
\ir ../_fixtures.sql
select plan(12);

select refused(format('select campaign.create_api_token(%L, %L)', name, role), 'CP008', array[says], format('%L as %L', left(name, 5), role))
from (values
  (null, 'reader', 'needs a name'), ('', 'reader', 'needs a name'), ('  ', 'reader', 'needs a name'), (repeat('x', 101), 'reader', '100'), (E'a\nb', 'reader', 'printable'),
  ('a', null, 'role'), ('a', '', 'role'), ('a', 'owner', 'reader, operator or admin'), ('a', 'Admin', 'role'), ('a', 'runner', 'role'), ('a', 'server', 'role')) v (name, role, says);
select is_empty('select * from campaign.api_tokens', 'and there is none');

select * from finish();
rollback;
