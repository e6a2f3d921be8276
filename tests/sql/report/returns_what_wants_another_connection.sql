begin;
\ir ../_protocol.sql
select plan(6);

select start_job(1, '{"max_retries": 1}') as job \gset
select claim(1);
select report(1, :job, 1, 1);
select is(reply(1, :job, 1, 1, 'mail', '421 Max message per connection reached') ->> 'verdict', 'done', 'told');
select is((select due - campaign.now() from campaign.retry_item), interval '0', 'it is due now');
select is((select (attempts, state)::text from campaign.recipient_state), '(0,pending)', 'no try is spent');
do $$
declare
  v_job bigint := (select job_no from campaign.email_jobs);
  v_chunk bigint;
begin
  for i in 2..4 loop
    v_chunk := retry(1, '0 s');
    perform report(1, v_job, v_chunk, 1);
    perform reply(1, v_job, v_chunk, 1, 'mail', '421 Max message per connection reached');
  end loop;
end
$$;
select is((select due - campaign.now() from campaign.retry_item), interval '1 min', 'a relay that never has enough of connections is given a breath');
select is((select (attempts, state)::text from campaign.recipient_state), '(0,pending)', 'still no try is spent');
select books_hold(:job);

select * from finish();
rollback;
