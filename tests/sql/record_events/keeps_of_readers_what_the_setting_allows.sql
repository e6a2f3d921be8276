begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(4);

select start_tracked() as job \gset
create function kept(p_job bigint, p_address text) returns text language sql as $$
  with recorded as (select campaign.record_events(jsonb_build_array(jsonb_build_object('kind', 'open', 'token', token('open', p_job, 1), 'user_agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'address', p_address))))
  select '' from recorded
$$;
create function all_kept(p_job bigint) returns text language sql as $$
  select string_agg(concat_ws(' ', family, agent, coalesce(address::text, '-'), coalesce(user_agent, '-')), ', ' order by event_no) from campaign.tracking_event where job_no = p_job
$$;
select kept(:job, a) from unnest('{192.0.2.17,2001:db8:1:2:3::4,::ffff:192.0.2.17,10.0.0.0/8,nowhere}'::text[]) a;
select is(all_kept(:job), 'Firefox human 192.0.2.0/24 -, Firefox human 2001:db8:1::/48 -, Firefox human 192.0.2.0/24 -, Firefox human 10.0.0.0/8 -, Firefox human - -',
  'unless told otherwise, where about somebody is, and by what kind of program');
delete from campaign.tracking_event;
insert into campaign.setting (name, value) values ('reader_details', 'full');
select kept(:job, a) from unnest('{192.0.2.17,2001:db8:1:2:3::4,::ffff:192.0.2.17}'::text[]) a;
select is(replace(all_kept(:job), :'browser', 'UA'), 'Firefox human 192.0.2.17/32 UA, Firefox human 2001:db8:1:2:3::4/128 UA, Firefox human 192.0.2.17/32 UA', 'full: as they came');
select campaign.record_unsubscribe(token('unsubscribe', :job, 2), :'browser', '192.0.2.17');
select results_eq('select address, user_agent from campaign.tracking_event where kind = ''unsubscribe''', format('values (inet ''192.0.2.17'', %L)', :'browser'), 'also of who unsubscribes');
update campaign.setting set value = 'reduced' where name = 'reader_details';
select results_eq($$ select metadata from campaign.email_events where event_type = 'unsubscribe' $$, format('values (%L::jsonb)',
  jsonb_build_object('ip', '192.0.2.17', 'agent', 'human', 'family', 'Firefox', 'user_agent', :'browser')), 'what was kept is kept');

select * from finish();
rollback;
