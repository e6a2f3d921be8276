begin;
\ir ../_protocol.sql
select plan(2);

create function public.tell(p_event_id uuid, p_segment text, p_keys text[]) returns void language plpgsql as $$ begin raise exception 'not now'; end $$;
insert into campaign.segments (name, query, on_sent)
values ('members', $$ select '1' as recipient_key, 'm1@example.com' as email, '{"name": "N", "first_name": "F"}'::jsonb as vars $$, 'public.tell');
select job_no as job from campaign.start_campaign('members', 'letter') \gset
select claim(1);
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 sent');
select isnt_empty('select from campaign.pending_on_sent', 'the call failed and is kept');
update campaign.segments set on_sent = null;
select campaign.tick();
select is_empty('select from campaign.pending_on_sent', 'until nobody wants it');

select * from finish();
rollback;
