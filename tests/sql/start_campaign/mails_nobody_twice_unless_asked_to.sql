begin;
\ir ../_fixtures.sql
select plan(9);

insert into campaign.email_templates (name, slug, subject, html) values ('Other', 'other', 'Hello', '<p>Hello</p>');

select lives_ok($$ select campaign.start_campaign('guests', 'thanks') $$, 'the first time');
select refused($$ select campaign.start_campaign('guests', 'thanks') $$, 'CP007', '{3 already mailed,allow_repeat}',
  'who waits for the mail is not mailed again, and the hint says how to');
select play_runner();
select refused($$ select campaign.start_campaign('guests', 'thanks') $$, 'CP007', '{3 already mailed,allow_repeat}',
  'who has the mail is not mailed again');

delete from public.guest where id = 1;
insert into public.guest values (4, 'Barbara Liskov', 'barbara@example.com'), (5, 'Ada again', 'ADA@example.com');
update public.guest set email = 'moved@example.com' where id = 2;
create temporary table later as select * from campaign.start_campaign('guests', 'thanks');
select results_eq(
  $$ select r.email from campaign.recipient r join later using (job_no) $$, $$ values ('barbara@example.com') $$,
  'later, only who is new by key and by address');
select is((select excluded from later), '{"already_mailed": 3}', 'the others are counted');

select is((select total_contacts from campaign.start_campaign('guests', 'other')), 4::bigint, 'another mail goes to everybody');
select is((select total_contacts from campaign.start_campaign('guests', 'thanks', event_id => gen_random_uuid())), 4::bigint, 'so does the mail of another event');
select is((select total_contacts from campaign.start_campaign('guests', 'thanks', allow_repeat => true)), 4::bigint, 'allow_repeat sends it again');

select campaign.start_campaign('guests', 'other', dedupe_key => 'february');
select refused($$ select campaign.start_campaign('guests', 'thanks', dedupe_key => 'february') $$, 'CP007', '{4 already mailed}',
  'campaigns of one dedupe_key mail each person once');

select * from finish();
rollback;
