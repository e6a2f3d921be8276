begin;
\ir ../_protocol.sql
select start_job(2) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 uncertain, 2 sent 250');
select campaign.tick();
select job_id(:job) as id \gset
select plan(34);

select refused(format(call, value), 'CP008', '{}', format('%s: %s', left(call, 35), value))
from (values
  ('select campaign._api_campaigns(null, null, null, null, %s, null)'), (format('select campaign._api_recipients(%L, null, %%s, null)', :'id')),
  (format('select campaign._api_uncertain(%L, %%s, null)', :'id')), ('select campaign._api_templates(%s, null)'), ('select campaign._api_suppressions(%s, null)')) c (call),
  (values ('0'), ('-1'), ('1001')) v (value)
union all
select refused(format(call, value), 'CP008', '{cursor}', format('%s: %s', left(call, 35), value))
from (values
  ('select campaign._api_campaigns(null, null, null, null, null, %L)'), (format('select campaign._api_recipients(%L, null, null, %%L)', :'id'))) c (call),
  (values (''), ('x'), ('-1'), ('1.5'), ('9999999999999999999')) v (value);
select refused($$ select campaign._api_campaigns(null, null, 'gone', null, null, null) $$, 'CP008', '{completed}', 'a status that there is not');
select refused($$ select campaign._api_campaigns(null, null, null, 'nothing', null, null) $$, 'CP002', '{}', 'a template that there is not');
select refused(format($$ select campaign._api_recipients(%L, 'gone', null, null) $$, :'id'), 'CP008', '{suppressed}', 'an outcome that there is not');
select refused($$ select campaign._api_segment_count('nobody', null, null, null) $$, 'CP003', '{}', 'a segment that there is not');
create function public.event_is_there(uuid) returns boolean language sql as 'select false';
insert into campaign.segments (name, query) values ('all', $q$ select 'k' as recipient_key, 'a@example.com' as email, null::jsonb as vars $q$);
insert into campaign.setting (name, value) values ('event_check', 'public.event_is_there');
select refused($$ select campaign._api_segment_count('all', '00000000-0000-4000-8000-00000000000f', null, '{}') $$, 'CP005', '{}', 'an event that there is not');
select refused(format($$ select campaign._api_resolve(%L, 'sent', '{1,2}', false) $$, :'id'), 'CP013', '{1 of 2,Nothing was decided}', 'keys of somebody who is certain');
select refused($$ select campaign._api_unsuppress('ada@example.com') $$, 'CP014', '{}', 'an address that is not suppressed');
select refused($$ select campaign._api_stats(null) $$, 'CP001', '{}', 'no campaign');
select is((campaign._api_resolve(:'id', 'sent', '{1,1}', false) #>> '{job,uncertain_count}'), '0', 'what makes sense is done');

select * from finish();
rollback;
