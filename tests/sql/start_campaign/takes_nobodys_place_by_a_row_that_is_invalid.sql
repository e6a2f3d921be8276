begin;
\ir ../_fixtures.sql
select plan(3);

select job_no, excluded from campaign.start_campaign('custom', 'thanks', audience_query => $$
  select k as recipient_key, e as email, '{"name": "N", "first_name": "F"}'::jsonb as vars
  from (values (1, '1', 'no address'), (2, '1', 'ada@example.com'), (3, null, 'grace@example.com'), (4, '2', 'grace@example.com'), (5, '2', 'alan@example.com')) v (n, k, e)
  order by n $$) \gset
select is((select string_agg(recipient_key || ' ' || email, ', ' order by pos) from campaign.recipient where job_no = :job_no), '1 ada@example.com, 2 grace@example.com',
  'a key whose address was bad, an address that had no key: each gets the mail by its next row');
select is(:'excluded'::jsonb, '{"invalid": 2, "duplicate": 1}', 'the bad rows are counted as such');

select job_no from campaign.start_campaign('custom', 'thanks', allow_repeat => true, audience_query => $$
  select k as recipient_key, e as email, '{"name": "N", "first_name": "F"}'::jsonb as vars
  from (values (1, '1', 'ada@example.com'), (2, '1', 'grace@example.com'), (3, '2', 'grace@example.com')) v (n, k, e)
  order by n $$) \gset
select is((select string_agg(recipient_key || ' ' || email, ', ' order by pos) from campaign.recipient where job_no = :job_no), '1 ada@example.com, 2 grace@example.com',
  'nor does a second row of somebody take the address of another');

select * from finish();
rollback;
