-- A resend waits until nothing of the first mail can be under way. A late fact that says so ends the wait.
begin;
\ir ../_protocol.sql
select plan(5);

create function due_in(p_pos bigint) returns interval language sql as $$
  select i.due - campaign.now() from campaign.retry_item i where i.pos = p_pos and i.chunk_no is null
$$;

select start_job(3, '{}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 3);
select fall_silent(1);
select campaign.tick();
select ok(due_in(1) > interval '10 min' and due_in(1) = due_in(2) and due_in(2) = due_in(3), 'resends wait');

-- A person does not wait for the third; the runner that carries it dies too.
select status from campaign.resolve_uncertain(job_id(:job), 'resend', '{p3@example.com}', force => true);
select retry(2, '1 s') as retry \gset
select report(2, :job, :retry, 3);
select fall_silent(2);
select campaign.tick();
select due_in(3) as second \gset
select report(1, :job, 1, null, '1 returned, 2 deferred 451, 3 returned', :epoch);
select is(due_in(1), interval '0', 'who was never attempted is next');
select ok(due_in(2) between interval '45 s' and interval '75 s', 'who was refused for now waits as after any such answer');
select is(due_in(3), :'second'::interval, 'who is in doubt by another attempt waits for that one');
select books_hold(:job);

select * from finish();
rollback;
