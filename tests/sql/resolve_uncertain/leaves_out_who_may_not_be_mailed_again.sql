begin;
\ir ../_protocol.sql
select plan(14);

create function start(p_from integer) returns bigint language sql as $$
  select (campaign.start_campaign('custom', 'letter', dedupe_key => 'spring', audience_query => format($q$
      select g::text as recipient_key, format('p%%s@example.com', g) as email, '{"name": "N", "first_name": "F"}'::jsonb as vars
      from generate_series(%s, 3) g$q$, p_from))).job_no
$$;
select start(1) as first \gset
select claim(1);
select report(1, :first, 1, 3);
select report(1, :first, 1, null, '1 uncertain, 2 failed 550, 3 uncertain');
select campaign.tick();
select start(1) as second \gset
select is(states(:second), '1 pending', 'who is uncertain elsewhere is not mailed by another campaign, who was refused there is');
select is((select email from campaign.recipient where job_no = :second), 'p2@example.com', 'that is the second');
select campaign.retry_failed(job_id(:first));
select is(states(:first), '1 uncertain, 2 failed, 3 uncertain', 'of which the first campaign lets go');

insert into campaign.suppressions (email) values ('p1@example.com');
select campaign.resolve_uncertain(job_id(:first), 'resend');
select is(states(:first), '1 uncertain, 2 failed, 3 pending', 'the suppressed are not mailed again');
select books_hold(:first);
select is((select email from campaign.uncertain_deliveries), 'p1@example.com', 'they stay uncertain');

-- Suppressed once the resend was decided.
insert into campaign.suppressions (email) values ('p3@example.com');
select advance('1 min');
select campaign.tick();
select job_no as second, chunk_no as other from claim(1, 1) \gset
select c.chunk_no as again from campaign.chunk c where c.job_no = :first and c.kind = 'retry' \gset
select count(*) from claim(1, 2);
select is(report(1, :first, :again, 3) ->> 'verdict', 'done', 'who is suppressed meanwhile is refused to the runner');
select campaign.tick();
select is(status(:first) || ': ' || states(:first), 'completed: 1 uncertain, 2 failed, 3 uncertain', 'the first mail is uncertain as before');
select books_hold(:first);
select set_eq('select email from campaign.uncertain_deliveries', '{p1@example.com,p3@example.com}'::text[], 'and listed');
select campaign.resolve_uncertain(job_id(:first), 'resend');
select is(states(:first), '1 uncertain, 2 failed, 3 uncertain', 'mailing again helps nobody of these');
select books_hold(:first);
select campaign.resolve_uncertain(job_id(:first), 'sent');
select is((select (status, sent_count, failed_count, uncertain_count)::text from campaign.email_jobs where job_no = :first), '(completed,2,1,0)', 'a person can still say that they have it');
select books_hold(:first);

select * from finish();
rollback;
