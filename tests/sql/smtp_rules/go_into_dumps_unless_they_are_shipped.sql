-- A shipped row in a dump would collide with that of the extension into which it is restored. A dump sees what is committed.
begin;
select plan(3);

select $$insert into campaign.smtp_rules (reply, verdict, class) values ('moving house', 'defer', 'moving')$$ as prepare \gset
\set dumped `psql -X -q -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c :'prepare' && pg_dump --data-only -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME'`
select matches(:'dumped'::text, E'\n1000\t.*\tmoving house\tdefer\tmoving\t', 'one''s own');
select doesnt_match(:'dumped'::text, 'bad_address', 'and no other');
select matches(:'dumped'::text, 'smtp_rules_id_seq''?, 1000', 'the next one gets a new id');

select * from finish();
rollback;
