begin;
\ir ../_protocol.sql
select plan(7);

create function start(p_allow_repeat boolean) returns bigint language sql as $$
  select (campaign.start_campaign('custom', 'letter', dedupe_key => 'spring', allow_repeat => p_allow_repeat,
    audience_query => $q$
      select g::text as recipient_key, format('p%s@example.com', g) as email, '{"name": "N", "first_name": "F"}'::jsonb as vars
      from generate_series(1, 3) g$q$)).job_no
$$;
select start(false) as first \gset
select claim(1);
select report(1, :first, 1, 3);
select report(1, :first, 1, null, '1 failed 550, 2 failed 550, 3 failed 550');
select campaign.tick();

select start(false) as second \gset
select claim(1);
select report(1, :second, 1, 2);
select report(1, :second, 1, null, '1 sent 250, 2 failed 550');
select is(states(:second), '1 sent, 2 failed, 3 pending', 'another campaign has mailed one, failed with one, and one is its to mail');

select is((select status from campaign.retry_failed(job_id(:first))), 'partial', 'the first campaign goes on');
select is(states(:first), '1 failed, 2 pending, 3 failed', 'for the one who is not mailed by the other');
select books_hold(:first);
select campaign.retry_failed(job_id(:second));
select is(states(:second), '1 sent, 2 failed, 3 pending', 'who is not the other''s to retry any more');

update campaign.email_jobs set allow_repeat = true where job_no = :first;
select campaign.retry_failed(job_id(:first));
select is(states(:first), '1 pending, 2 pending, 3 pending', 'a campaign that may repeat mail leaves nobody out');
select books_hold(:first);

select * from finish();
rollback;
