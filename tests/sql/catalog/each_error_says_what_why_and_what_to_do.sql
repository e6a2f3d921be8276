begin;
select plan(5);

-- Each "raise exception … ;" of the extension's functions, triggers included. No string in them has a semicolon at the end of a line.
create temporary table raised as
select p.oid::regprocedure::text as fn, m[1] as statement
from pg_proc p
join pg_language l on l.oid = p.prolang
cross join lateral regexp_matches(p.prosrc, 'raise exception\s(.*?);[ ]*(?:\n|$)', 'g') m
where p.pronamespace = 'campaign'::regnamespace and l.lanname = 'plpgsql';

select cmp_ok((select count(*) from raised where statement ~ 'errcode = ''CP'), '>', 40::bigint, 'there are errors to look at');
select is((select sum((select count(*) from regexp_matches(p.prosrc, 'CP0\d\d', 'g'))) from pg_proc p where p.pronamespace = 'campaign'::regnamespace),
  (select count(*)::numeric from raised where statement ~ 'errcode = ''CP'), 'all of them are found');
select is_empty($$ select fn, k, left(statement, 80) from raised, unnest('{errcode,message,detail,hint}'::text[]) k where statement !~ ('\m' || k || ' = ') $$,
  'each has a code, a message, a detail and a hint');
select is_empty($$ select fn, statement from raised where statement ~ '\m(message|detail|hint) = (''''|null)' $$, 'none of which is empty');
select is_empty($$ select fn, substring(statement from 'errcode = ''?(\w+)') from raised where statement !~ 'errcode = ''CP0\d\d''' $$,
  'and a code of its own, so that an application can tell them apart');

select * from finish();
rollback;
