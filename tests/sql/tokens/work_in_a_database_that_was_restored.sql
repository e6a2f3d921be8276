-- A dump holds keys, campaigns and what readers did: in the database made of it old links work, and new ones are of no key that was
-- used before. What is dumped is committed; this database is the test's.
\ir ../_fixtures.sql
\ir ../_tokens.sql
select start_tracked() as job \gset
select campaign.rotate_signing_key();
select campaign.record_open(token('open', :job, 1), :'browser');
select token('open', :job, 1) as open, token('unsubscribe', :job, 2) as unsubscribe, events(:job) as events \gset
\set copy :DBNAME '_restored'
select format('select campaign.record_open(%L), campaign.record_unsubscribe(%L); select events(%s); select campaign.rotate_signing_key(); select count(*) from campaign.suppressions', :'open', :'unsubscribe', :job) as statements \gset
\set said `createdb -h :'HOST' -p :'PORT' -U :'USER' :'copy' && pg_dump -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' | psql -X -q -o /dev/null -h :'HOST' -p :'PORT' -U :'USER' -d :'copy' 2>&1; psql -X -q -A -t -h :'HOST' -p :'PORT' -U :'USER' -d :'copy' -c 'set client_min_messages = warning' -c :'statements' 2>&1; dropdb -h :'HOST' -p :'PORT' -U :'USER' :'copy'`
begin;
select plan(1);

select is(:'said'::text, E't|t\n' || :'events' || E', 1 open scanner, 2 unsubscribe scanner\n3\n1', 'links, events, keys and suppressions');

select * from finish();
rollback;
