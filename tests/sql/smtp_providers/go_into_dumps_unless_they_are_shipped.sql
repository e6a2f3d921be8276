-- A shipped row in a dump would collide with that of the extension into which it is restored. A dump sees what is committed.
begin;
select plan(2);

select $$insert into campaign.smtp_providers (name, title, host) values ('mine', 'Mine', 'smtp.mine.example')$$ as prepare \gset
\set dumped `psql -X -q -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c :'prepare' && pg_dump --data-only -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME'`
select matches(:'dumped'::text, E'\nmine\tMine\tsmtp.mine.example\t', 'one''s own');
select doesnt_match(:'dumped'::text, 'smtp.gmail.com', 'and no other');

select * from finish();
rollback;
