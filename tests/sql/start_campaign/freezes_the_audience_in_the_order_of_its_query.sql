begin;
\ir ../_fixtures.sql
select plan(4);

insert into campaign.segments (name, query)
values ('backwards', $$
  select g.id::text as recipient_key, g.email, jsonb_build_object('name', g.name, 'first_name', 'x') as vars
  from public.guest g
  order by g.id desc
$$);
insert into public.guest select g, 'Guest ' || g, case when g % 2 = 0 then 'g' || g || '@example.com' else 'no address' end from generate_series(4, 9) g;

select job_no from campaign.start_campaign('backwards', 'thanks', config => '{"chunk_size": 4}') \gset

select results_eq(
  format('select pos, recipient_key from campaign.recipient where job_no = %s order by pos', :job_no),
  $$ values (1::bigint, '8'), (2, '6'), (3, '4'), (4, '3'), (5, '2'), (6, '1') $$,
  'positions are dense, in the order of the query, whoever is left out in between');

select results_eq(
  format('select chunk_no, first_pos, last_pos, n, mark, state from campaign.chunk where job_no = %s order by chunk_no', :job_no),
  $$ values (1::bigint, 1::bigint, 4::bigint, 4::bigint, 0::bigint, 'ready'), (2, 5, 6, 2, 4, 'ready') $$,
  'chunks cover the positions');

delete from public.guest where id = 1;
update public.guest set email = 'moved@example.com' where id = 2;
select results_eq(
  format('select email, vars ->> ''name'' from campaign.recipient where job_no = %s and pos > 4 order by pos', :job_no),
  $$ values ('grace@example.com', 'Grace Hopper'), ('ada@example.com', 'Ada Lovelace') $$,
  'what changes later does not change the audience');

select is((select total_contacts from campaign.email_jobs where job_no = :job_no), 6::bigint, 'total_contacts is the audience as frozen');

select * from finish();
rollback;
