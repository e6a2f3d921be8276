begin;
\ir ../_fixtures.sql
select plan(16);

select refused(format('select campaign.start_campaign(''guests'', ''thanks'', config => %L)', w.config), 'CP008', w.says, 'config ' || w.config)
from (values
  ('{"concurrency": 0}', '{concurrency,whole number from 1 to 100}'::text[]),
  ('{"concurrency": 10000}', '{10000}'),
  ('{"concurrency": 2.5}', '{whole number}'),
  ('{"concurrency": "3"}', '{concurrency}'),
  ('{"rate_limit": -1}', '{rate_limit,mails a second}'),
  ('{"max_retries": 0}', '{attempts in all}'),
  ('{"time_limit": "30 s"}', '{time_limit,1 minute to 7 days}'),
  ('{"time_limit": "8 days"}', '{time_limit,24 hours}'),
  ('{"time_limit": "soon"}', '{soon}'),
  ('{"time_limit": 24}', '{time_limit,interval}'),
  ('{"chunk_size": [1]}', '{chunk_size}'),
  ('{"concurency": 3}', '{concurency,"keys are concurrency, chunk_size"}'),
  ('[3]', '{object}')) as w (config, says);

select refused($$ select campaign.start_campaign('guests', 'thanks', on_uncertain => 'maybe') $$, 'CP008', '{maybe,hold,resend,assume_sent}', 'on_uncertain');
select refused($$ select campaign.start_campaign('guests', 'thanks', subject => ' ') $$, 'CP008', '{subject}', 'an empty subject');
select is((select config from campaign.start_campaign('guests', 'thanks', config => '{"concurrency": 100, "rate_limit": null, "chunk_size": 30}')),
  '{"concurrency": 100, "chunk_size": 30, "max_retries": 3, "rate_limit": null, "time_limit": "24 hours"}', 'what is in range holds, the rest has its default');

select * from finish();
rollback;
