begin;
\ir ../_fixtures.sql
\ir ../_meetup.sql
set local client_min_messages = error;
select plan(7);

create function public.out_of_order(p_event uuid, p_segment text, p_keys text[]) returns void language plpgsql as $$
begin
  update public.attendees set email_type = 'no-show' where id = 11;
  raise 'out of order';
end
$$;
update campaign.segments set on_sent = 'public.out_of_order' where name = 'checked-in';
grant update, select on public.attendees to campaign_owner;

select id as job, job_no from campaign.start_campaign('checked-in', 'thanks', :'event') \gset
select play_runner();
select results_eq(format('select status, sent_count from campaign.email_jobs where id = %L', :'job'), $$ values ('completed', 2::bigint) $$, 'foreign code that fails cannot undo a fact');
select is_empty('select from public.attendees where email_type is not null', 'of what it did nothing is left');
select results_eq(format('select pos, error from campaign.pending_on_sent where job_no = %s order by pos', :job_no),
  $$ values (1::bigint, 'out of order'), (2, 'out of order') $$, 'the call is kept, with the error');

drop function public.out_of_order;
select campaign.tick();
select results_eq('select distinct error from campaign.pending_on_sent', $$ values ('there is no function public.out_of_order(uuid, text, text[])') $$, 'a function that is gone is no better');

update campaign.segments set on_sent = 'public.meetup_on_sent' where name = 'checked-in';
select campaign.tick();
select results_eq('select id, email_sent, email_type from public.attendees where id < 13 order by id', $$ values (11, true, 'checked-in'), (12, true, 'checked-in') $$,
  'tick repeats it until it works');
select is_empty('select from campaign.pending_on_sent', 'then it is done');
select ok((select bool_and(holds) from campaign.check_campaign(:'job')), 'the books are true');

select * from finish();
rollback;
