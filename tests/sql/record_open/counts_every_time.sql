begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(4);

select start_tracked() as job \gset
select is(campaign.record_open(token('open', :job, 1), :'browser', '192.0.2.17'), true, 'an open');
select set_clock('2026-02-27 09:00+00');
select is(campaign.record_open(token('open', :job, 1), :'google'), true, 'the same mail once more');
select results_eq(format('select pos, kind, link, link_url, agent, family, address, user_agent, at from campaign.tracking_event where job_no = %s order by event_no', :job), $$ values
  (1::bigint, 'open', null::integer, null::text, 'human', 'Firefox', inet '192.0.2.0/24', null::text, timestamptz '2026-02-26 18:00+00'),
  (1, 'open', null, null, 'google_proxy', 'GoogleImageProxy', null, null, '2026-02-27 09:00+00') $$, 'with whoever it was, as far as that can be told and is kept');
select campaign.cancel_campaign(id) from campaign.email_jobs;
select is(campaign.record_open(token('open', :job, 2), :'browser'), true, 'a campaign that was cancelled has readers, too');

select * from finish();
rollback;
