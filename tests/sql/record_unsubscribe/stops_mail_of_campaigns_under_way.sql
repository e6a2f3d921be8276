begin;
\ir ../_protocol.sql
create table public.guest (id integer, name text, email text);
insert into public.guest select g, 'N', format('p%s@example.com', g) from generate_series(1, 6) g;
insert into campaign.segments (name, query)
values ('guests', 'select id::text as recipient_key, email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.guest order by id');
\ir ../_tokens.sql
select plan(6);

select job_no as earlier from campaign.start_campaign('guests', 'letter') \gset
select job_no as job from campaign.start_campaign('guests', 'news', config => '{"chunk_size": 3}') \gset
select campaign.cancel_campaign(job_id(:earlier));
select claim(1);
select report(1, :job, 1, 1);
select report(1, :job, 1, null, '1 deferred 451');
select campaign.record_unsubscribe(token('unsubscribe', :earlier, p)) from unnest('{1,3,5}'::bigint[]) p;
select is(report(1, :job, 1, 3) -> 'go', '[2]', 'the rest of a lease that a runner holds');
select report(1, :job, 1, null, '2 sent');
select chunk_no as second from claim(1) \gset
select is(report(1, :job, :second, 6) -> 'go', '[4, 6]', 'a claim after it');
select report(1, :job, :second, null, '4 sent, 6 sent');
select retry(1) as retry \gset
select is(report(1, :job, :retry, 1), '{"go": [], "mark": 1, "verdict": "done"}', 'a retry');
select campaign.tick();
select is(states(:job), '1 suppressed, 2 sent, 3 suppressed, 4 sent, 5 suppressed, 6 sent', 'whoever unsubscribed gets nothing more');
select is(status(:job), 'completed', 'and the campaign ends');
select books_hold(:job);

select * from finish();
rollback;
