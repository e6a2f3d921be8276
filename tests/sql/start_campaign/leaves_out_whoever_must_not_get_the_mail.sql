begin;
\ir ../_fixtures.sql
select plan(3);

insert into campaign.suppressions (email) values ('Leaver@EXAMPLE.com');
create table public.list (n integer, key text, email text);
insert into public.list values
  (1, 'a', ' first@example.com '),
  (2, 'b', 'FIRST@Example.com'),
  (3, 'a', 'another@example.com'),
  (4, 'c', 'no address'),
  (5, 'd', null),
  (6, null, 'keyless@example.com'),
  (7, 'e', 'leaver@example.com'),
  (8, 'f', 'mail@bücher.example'),
  (9, 'g', 'mail@xn--bcher-kva.example'),
  (10, 'h', 'last@example.com');

create temporary table started as
select * from campaign.start_campaign('custom', 'thanks', audience_query =>
  'select key as recipient_key, email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.list order by n');

select is((select excluded from started), '{"invalid": 3, "duplicate": 3, "suppressed": 1}', 'who is left out is counted by reason');
select results_eq(
  $$ select r.recipient_key, r.email from campaign.recipient r join started s using (job_no) order by r.pos $$,
  $$ values ('a', 'first@example.com'), ('f', 'mail@bücher.example'), ('h', 'last@example.com') $$,
  'the first of those with the same key, or the same address in any spelling, stays');
select is((select total_contacts from started), 3::bigint, 'who is left out is not in the total');

select * from finish();
rollback;
