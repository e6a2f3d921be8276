begin;
\ir ../_protocol.sql
select plan(8);

select start_job(5, '{"chunk_size": 3}') as job \gset
select is(status(:job), 'pending', 'nobody works on it');
select results_eq($$ select chunk_no, kind, mark, positions, emails, vars[1], first_leased_at[3] from campaign.claim_chunks(runner(1), 1, '[]') $$,
  $$ values (1::bigint, 'range', 0::bigint, '{1,2,3}'::bigint[], '{p1@example.com,p2@example.com,p3@example.com}'::text[], '{"name": "N", "first_name": "F"}'::jsonb, campaign.now()) $$,
  'the first chunk with its recipients in order');
select is(status(:job), 'running', 'it runs');
select is((select started_at from campaign.email_jobs where job_no = :job), campaign.now(), 'since now');
select results_eq($$ select chunk_no, mark, positions from claim(2) $$, $$ values (2::bigint, 3::bigint, '{4,5}'::bigint[]) $$, 'another runner gets the other chunk');
select is_empty($$ select from claim(2) $$, 'then nothing is left');
select is((select heartbeat_at from campaign.runner where runner_id = runner(2)), campaign.now(), 'a claim is a sign of life');
select books_hold(:job);

select * from finish();
rollback;
