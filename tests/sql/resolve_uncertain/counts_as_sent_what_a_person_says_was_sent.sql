begin;
\ir ../_protocol.sql
select plan(11);

create table public.told (keys text[]);
create function public.tell(uuid, text, text[]) returns void language sql security definer as $$ insert into public.told values ($3) $$;
insert into campaign.segments (name, query, on_sent) values ('custom', 'select null as recipient_key, null as email, null::jsonb as vars', 'public.tell');
grant execute on function public.tell(uuid, text, text[]) to campaign_owner;

select start_job(3) as job \gset
select claim(1);
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent, 2 uncertain, 3 uncertain');
select campaign.tick();
select set_eq('select email from campaign.uncertain_deliveries', '{p2@example.com,p3@example.com}'::text[], 'two are uncertain');
select is((select count(*) from public.told), 1::bigint, 'of one the application was told');

create role ana in role campaign_operator;
set local session authorization ana;
select is((select (status, sent_count, uncertain_count)::text from campaign.resolve_uncertain((select id from campaign.email_jobs), 'sent')),
  '(completed,3,0)', 'they count as sent at once');
reset session authorization;
select is(states(:job), '1 sent, 2 sent, 3 sent', 'they are sent');
select set_eq('select pos, decision, decided_by from campaign.doubt', $$ values (2::bigint, 'sent', 'ana'), (3, 'sent', 'ana') $$, 'it is kept who said so');
select bag_eq('select keys from public.told', $$ values ('{1}'::text[]), ('{2,3}') $$, 'the application is told');
select is_empty('select from campaign.uncertain_deliveries', 'nobody is uncertain any more');
select books_hold(:job);

select is((select status from campaign.resolve_uncertain(job_id(:job), 'sent')), 'completed', 'saying it again changes nothing');
select is((select count(*) from public.told), 2::bigint, 'and nobody is told again');
select books_hold(:job, 'the books hold after that');

select * from finish();
rollback;
