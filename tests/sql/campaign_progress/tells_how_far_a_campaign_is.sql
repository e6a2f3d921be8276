begin;
\ir ../_fixtures.sql
select plan(3);

select id as job, job_no from campaign.start_campaign('guests', 'thanks', config => '{"chunk_size": 1}') \gset
\set runner 00000000-0000-4000-8000-000000000001
\set progress 'select status, sent_count, pending_count, percent, per_minute, eta_seconds from campaign.campaign_progress where id = %L'
select results_eq(format(:'progress', :'job'), $$ values ('pending', 0::bigint, 3::bigint, 0.0, null::numeric, null::numeric) $$, 'waiting');

select campaign.register_runner(:'runner', 'host', 1, '0.1.0', 1);
select json_agg(c) as leases from campaign.claim_chunks(:'runner', 2, '[]') c \gset
select campaign.report(:'runner', (select jsonb_agg(l || jsonb_build_object('next_mark', l #> '{positions,0}')) from jsonb_array_elements(:'leases') l));
select set_clock('2026-02-26 18:00:30+00');
select campaign.report(:'runner', (
  select jsonb_build_array(l || jsonb_build_object('outcomes', jsonb_build_array(jsonb_build_object('pos', l #> '{positions,0}', 'outcome', 'sent', 'phase', 'dot', 'code', 250))))
  from jsonb_array_elements(:'leases') l limit 1));
select campaign.tick(:'runner');
select results_eq(format(:'progress', :'job'), $$ values ('running', 1::bigint, 2::bigint, 33.3, 2.0, 60::numeric) $$, 'one of three after 30 s: two a minute, a minute to go');

select set_clock('2026-02-26 18:00:31+00');
select campaign.release(:'runner', (
  select jsonb_build_array(l || jsonb_build_object('outcomes', jsonb_build_array(jsonb_build_object('pos', l #> '{positions,0}', 'outcome', 'returned'))))
  from jsonb_array_elements(:'leases') l offset 1));
select play_runner();
select set_clock('2026-02-26 18:01+00');
select campaign.tick();
select play_runner();
select results_eq(format(:'progress', :'job'), format('values (%L, 3::bigint, 0::bigint, 100.0, %s, null::numeric)', 'completed', 3.0), 'all in a minute');

select * from finish();
rollback;
