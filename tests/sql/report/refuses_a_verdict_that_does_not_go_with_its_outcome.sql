begin;
\ir ../_protocol.sql
select plan(8);

select start_job(2) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select refused(format('select campaign.report(runner(1), jsonb_build_array(item(%s, 1) || %L))', :job,
    jsonb_build_object('outcomes', jsonb_build_array(jsonb_build_object('pos', 1, 'outcome', outcome, 'verdict', verdict, 'class', class)))), 'CP022', '{bug}', what)
from (values ('sent', 'fail', null, 'an acceptance that has failed'), ('failed', 'defer', null, 'a failure that is tried again'), ('deferred', 'stop_job', null, 'a stop that spends a try'),
  ('returned', 'sent', null, 'an acceptance that is returned'), ('deferred', 'maybe', null, 'a verdict that nobody knows'), ('failed', 'fail', 'No class!', 'a class of two words')) as v (outcome, verdict, class, what);
select is_empty('select from campaign.attempt', 'nothing of it was recorded');
select books_hold(:job);

select * from finish();
rollback;
