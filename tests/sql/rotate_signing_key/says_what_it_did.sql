-- Only another client can see notices: its statements run in a transaction of their own.
begin;
select plan(2);

\set said `psql -X -q -A -t -h :'HOST' -p :'PORT' -U :'USER' -d :'DBNAME' -c 'begin' -c 'select campaign.rotate_signing_key()' -c 'rollback' 2>&1`
select matches(:'said'::text, 'NOTICE:  key 1 signs the links of campaigns that start from now on; links that are out keep working', 'and for whom');
select matches(:'said'::text, '\n1$', 'it returns the number of the key');

select * from finish();
rollback;
