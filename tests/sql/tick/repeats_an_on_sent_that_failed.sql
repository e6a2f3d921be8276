begin;
\ir ../_protocol.sql
select plan(7);

create table public.told (keys text[]);
create function public.tell(p_event_id uuid, p_segment text, p_keys text[]) returns void language plpgsql as $$ begin raise exception 'not now'; end $$;
insert into campaign.segments (name, query, on_sent)
values ('members', $$ select g::text as recipient_key, format('m%s@example.com', g) as email, '{"name": "N", "first_name": "F"}'::jsonb as vars from generate_series(1, 3) g $$, 'public.tell');
select job_no as job from campaign.start_campaign('members', 'letter') \gset
grant all on public.told to campaign_owner;
select claim(1);
select report(1, :job, 1, 3);
select is(report(1, :job, 1, null, '1 sent, 2 sent') -> 'go', '[3]', 'foreign code cannot undo a fact');
select is(states(:job), '1 sent, 2 sent, 3 pending', 'it is recorded');
select is((select array_agg(pos order by pos) from campaign.pending_on_sent), '{1,2}', 'and kept');
select lives_ok('select campaign.tick()', 'still not');
select is((select array_agg(pos order by pos) from campaign.pending_on_sent), '{1,2}', 'and kept again');
create or replace function public.tell(p_event_id uuid, p_segment text, p_keys text[]) returns void language sql as $$ insert into public.told values (p_keys) $$;
select report(1, :job, 1, null, '3 sent');
select campaign.tick();
select is_empty('select from campaign.pending_on_sent', 'told');
select set_eq('select keys from public.told', $$ values ('{3}'::text[]), ('{1,2}') $$, 'each once');

select * from finish();
rollback;
