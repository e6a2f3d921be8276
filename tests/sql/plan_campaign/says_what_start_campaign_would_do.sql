begin;
\ir ../_fixtures.sql
select plan(15);

insert into public.guest values
  (4, 'Nobody', 'no address'), (5, 'Ada again', 'ADA@example.com'), (6, 'Supp Ressed', 'supp@example.com'), (7, 'Al Ready', 'already@example.com');
insert into campaign.suppressions (email) values ('supp@example.com');
select campaign.start_campaign('custom', 'thanks', dedupe_key => 'spring',
  audience_query => $$ select '7' as recipient_key, 'already@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars $$);

select * from campaign.plan_campaign('guests', 'thanks', dedupe_key => 'spring', config => '{"chunk_size": 2, "rate_limit": 0.5}') \gset
select is(:total_contacts, 3, 'how many would get it');
select is(:'excluded'::jsonb, '{"invalid": 1, "duplicate": 1, "suppressed": 1, "already_mailed": 1}', 'who would be left out, by reason');
select is(:chunks::bigint, 2::bigint, 'in how many chunks');
select is(:rate_limit, 0.5, 'at which rate: the campaign''s, which is smaller than the relay''s');
select is(:'estimated_time'::interval, '6 s'::interval, 'how long that takes at least');
select is(:'recipients'::jsonb,
  '[{"recipient_key": "1", "email": "ada@example.com"}, {"recipient_key": "2", "email": "grace@example.com"}, {"recipient_key": "3", "email": "alan@example.com"}]',
  'who gets it, in the order of the segment');
select is(:'left_out'::jsonb,
  '[{"recipient_key": "4", "email": "no address", "reason": "invalid"}, {"recipient_key": "5", "email": "ADA@example.com", "reason": "duplicate"},
    {"recipient_key": "6", "email": "supp@example.com", "reason": "suppressed"}, {"recipient_key": "7", "email": "already@example.com", "reason": "already_mailed"}]',
  'who does not, and why');

select * from campaign.start_campaign('guests', 'thanks', dedupe_key => 'spring', config => '{"chunk_size": 2, "rate_limit": 0.5}') as j \gset started_
select is(:started_total_contacts, :total_contacts, 'start_campaign mails as many');
select is(:'started_excluded'::jsonb, :'excluded'::jsonb, 'and leaves out the same');
select is((select count(*) from campaign.chunk where job_no = :started_job_no), :chunks::bigint, 'in as many chunks');

select is((select total_contacts from campaign.plan_campaign('guests', 'thanks', dedupe_key => 'spring')), 0::bigint, 'nobody is left: an empty plan is an answer');
select is((select total_contacts from campaign.plan_campaign('guests', 'thanks', dedupe_key => 'spring', allow_repeat => true)), 4::bigint,
  'unless mail may be repeated');
select is((select total_contacts from campaign.plan_campaign('custom', 'thanks', audience_query => 'select null::text as recipient_key, null::text as email, null::jsonb as vars')), 0::bigint,
  'somebody without key and address is left out');
update campaign.email_integrations set rate_limit = null;
select ok((select rate_limit is null and estimated_time is null from campaign.plan_campaign('guests', 'thanks')), 'without any rate nobody knows how long it takes');
insert into public.guest select g, 'G', 'g' || g || '@example.com' from generate_series(100, 300) g;
select is((select jsonb_array_length(recipients) || ' of ' || total_contacts from campaign.plan_campaign('guests', 'thanks')), '100 of 205', 'at most 100 are listed');

select * from finish();
rollback;
