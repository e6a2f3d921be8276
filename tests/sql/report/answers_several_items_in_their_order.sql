begin;
\ir ../_protocol.sql
select plan(5);

select start_job(4, '{"chunk_size": 2}') as job \gset
select start_job(2, '{"chunk_size": 2}') as other \gset
select claim(1, 3);
select fall_silent(1);
select is(jsonb_path_query_array(campaign.report(runner(1), jsonb_build_array(item(:other, 1, 1), item(:job, 2, 4), item(:job, 1, 1, '', 5))), '$[*].verdict'),
  '["ok", "ok", "fenced"]', 'the last of three is fenced');
select is(campaign.report(runner(1), jsonb_build_array(item(:other, 1, 2, '1 sent'), item(:job, 2, null, '3 sent, 4 sent'), item(:job, 1, 2))) #- '{0,epoch}' #- '{1,epoch}' #- '{2,epoch}',
  jsonb_build_array(
    jsonb_build_object('job_no', :other, 'chunk_no', 1, 'verdict', 'ok', 'mark', 2, 'go', '[2]'::jsonb),
    jsonb_build_object('job_no', :job, 'chunk_no', 2, 'verdict', 'done', 'mark', 4, 'go', '[]'::jsonb),
    jsonb_build_object('job_no', :job, 'chunk_no', 1, 'verdict', 'ok', 'mark', 2, 'go', '[1, 2]'::jsonb)), 'each with its own answer');
select is(campaign.report(runner(1), '[]'), '[]', 'nothing to tell');
select books_hold(:job);
select books_hold(:other);

select * from finish();
rollback;
