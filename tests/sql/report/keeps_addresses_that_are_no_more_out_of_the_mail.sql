begin;
\ir ../_protocol.sql
select plan(7);

select start_job(6) as job \gset
select claim(1);
select report(1, :job, 1, 6);
select reply(1, :job, 1, 1, 'rcpt', '550 5.1.1 No such user');
select reply(1, :job, 1, 2, 'rcpt', '550 5.2.1 Mailbox disabled');
select reply(1, :job, 1, 3, 'rcpt', '550 5.7.1 Policy');
select reply(1, :job, 1, 4, 'rcpt', '452 4.2.2 Mailbox full');
select reply(1, :job, 1, 5, 'rcpt', '550 no reason');
select results_eq('select email, reason from campaign.suppressions order by email', $$ values ('p1@example.com', 'bounce'), ('p2@example.com', 'bounce') $$,
  'of a bad address and an inactive mailbox only');
select is(states(:job), '1 failed, 2 failed, 3 failed, 4 pending, 5 failed, 6 pending', 'who fails, fails');
delete from campaign.suppressions where email = 'p1@example.com';
select reply(1, :job, 1, 1, 'rcpt', '550 5.1.1 No such user');
select is_empty($$ select from campaign.suppressions where email = 'p1@example.com' $$, 'a repeated call suppresses nobody again');
insert into campaign.suppressions (email, reason) values ('p6@example.com', 'complaint');
select reply(1, :job, 1, 6, 'rcpt', '550 5.1.1 No such user');
select is((select reason from campaign.suppressions where email = 'p6@example.com'), 'complaint', 'an earlier reason stays');
insert into campaign.smtp_rules (reply, verdict, class, suppress) values ('no reason', 'fail', 'bad_address', true);
select start_job(1) as later \gset
select claim(1);
select report(1, :later, 1, 1);
select reply(1, :later, 1, 1, 'rcpt', '550 no reason');
select is((select reason from campaign.suppressions where email = 'p1@example.com'), 'bounce', 'an own rule does it too');
select books_hold(:job);
select books_hold(:later);

select * from finish();
rollback;
