begin;
\ir ../_fixtures.sql
select plan(14);

select campaign.start_campaign('custom', 'thanks', dedupe_key => 'spring',
  audience_query => $$ select '7' as recipient_key, 'already@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars $$);
insert into campaign.suppressions (email) values ('supp@bücher.example');
delete from public.guest;
insert into public.guest values
  (1, 'Ada', ' Ada@Bücher.example '), (2, 'Ada', 'ada@xn--bcher-kva.example'), (3, 'Ada', 'ADA@BÜCHER.EXAMPLE'),
  (4, 'Supp', 'SUPP@xn--bcher-kva.example'), (5, 'Nobody', 'no address'), (6, 'Nobody', 'a b@example.com'), (7, 'Al', 'Already@example.com'), (8, 'Null', null);
select id as job, job_no, total_contacts, excluded from campaign.start_campaign('guests', 'thanks', dedupe_key => 'spring') \gset

select is(:'excluded'::jsonb, '{"duplicate": 2, "suppressed": 1, "invalid": 3, "already_mailed": 1}', 'each is counted once');
select is((select string_agg(email, ' ') from campaign.recipient where job_no = :job_no), 'Ada@Bücher.example', 'one is in the audience');
select set_eq(format('select what || coalesce('' '' || substring(detail from ''^key \d+''), '''') from campaign.explain_recipient(%L, %L)', :'job', e.email), e.what, e.email)
from (values
  ('Ada@bücher.example', '{in the audience: pending key 1,left out: duplicate key 2,left out: duplicate key 3}'::text[]),
  ('ada@xn--bcher-kva.example', '{in the audience: pending key 1,left out: duplicate key 2,left out: duplicate key 3}'),
  ('supp@bücher.example', '{left out: suppressed key 4}'),
  ('no address', '{left out: invalid key 5}'),
  ('  a b@example.com ', '{left out: invalid key 6}'),
  ('already@example.com', '{left out: already mailed key 7}'),
  ('eve@example.com', '{not in the audience}')) as e (email, what);
select matches((select detail from campaign.explain_recipient(:'job', 'already@example.com')), 'spring', 'by which dedupe key');

select refused(format('select campaign.explain_recipient(%L, %L)', :'job', e), 'CP008', '{no address is given,explain_recipient}', coalesce(e, 'null')) from unnest(array['', '  ', null]) e;
select refused($$ select campaign.explain_recipient('00000000-0000-4000-8000-00000000000f', 'ada@example.com') $$, 'CP001', '{00000000-0000-4000-8000-00000000000f}', 'an unknown campaign');

select * from finish();
rollback;
