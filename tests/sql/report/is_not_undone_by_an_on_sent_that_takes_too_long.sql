begin;
\ir ../_protocol.sql
select plan(5);

create function public.tell(p_event_id uuid, p_segment text, p_keys text[]) returns void language plpgsql as $$ begin perform pg_sleep(60); end $$;
insert into campaign.segments (name, query, on_sent)
values ('members', $$ select g::text as recipient_key, format('m%s@example.com', g) as email, '{"name": "N", "first_name": "F"}'::jsonb as vars from generate_series(1, 2) g $$, 'public.tell');
select job_no as job from campaign.start_campaign('members', 'letter') \gset
select claim(1);
select report(1, :job, 1, 2);
set local statement_timeout = '300ms';
select is(report(1, :job, 1, null, '1 sent') ->> 'verdict', 'ok', 'the report is answered');
select is(states(:job), '1 sent, 2 pending', 'it is recorded');
select is((select array_agg(pos) from campaign.pending_on_sent), '{1}', 'and kept, to be told again');
select lives_ok('select campaign.tick()', 'a tick goes on too');
set local statement_timeout = 0;
create or replace function public.tell(p_event_id uuid, p_segment text, p_keys text[]) returns void language sql as 'select';
select campaign.tick();
select is_empty('select from campaign.pending_on_sent', 'told');

select * from finish();
rollback;
