begin;
\ir ../_fixtures.sql
select plan(4);

select is((select total_contacts from campaign.start_campaign('custom', 'thanks', audience_query =>
    'select id::text as recipient_key, email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.guest where id > 1 -- the new ones')),
  2::bigint, 'by a query, even one that ends in a comment');
select is((select total_contacts from campaign.start_campaign('custom', 'thanks', dedupe_key => 'b', event_id => '00000000-0000-4000-8000-00000000000e', audience_keys => '{1,2}', audience_query =>
    'select id::text as recipient_key, $1::text || ''@example.com'' as email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.guest where id::text = any ($2) limit 1')),
  1::bigint, 'the query may use the event as $1 and the keys as $2');

insert into campaign.segments (name, query)
select 'custom', replace(query, 'order by', 'where g.id::text = any ($2) order by') from campaign.segments where name = 'guests';
create temporary table by_keys as select * from campaign.start_campaign('custom', 'thanks', dedupe_key => 'c', audience_keys => '{3,1,99}');
select results_eq($$ select r.email from campaign.recipient r join by_keys using (job_no) order by pos $$, $$ values ('ada@example.com'), ('alan@example.com') $$, 'by keys, with the segment of that name');
select refused($$ select campaign.start_campaign('custom', 'thanks', dedupe_key => 'd') $$, 'CP006', '{audience_keys}', 'neither is nobody');

select * from finish();
rollback;
