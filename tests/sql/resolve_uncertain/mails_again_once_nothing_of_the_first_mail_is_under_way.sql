begin;
\ir ../_protocol.sql
select plan(15);

select start_job(2) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 sent, 2 uncertain');
select campaign.tick();

select is((select status from campaign.resolve_uncertain(job_id(:job), 'resend')), 'partial', 'the campaign goes on');
select is(states(:job), '1 sent, 2 pending', 'with the one who is mailed again');
select is((select (sent_count, uncertain_count)::text from campaign.email_jobs where job_no = :job), '(1,0)', 'the counters say so');
select books_hold(:job, 'the books hold while it waits');
select is_empty('select from claim(1)', 'not while the first mail may be under way');
select lives_ok(format('select campaign.resolve_uncertain(%L, ''resend'')', job_id(:job)), 'asking again is no error');
select is((select count(*) from campaign.retry_item), 1::bigint, 'and mails nobody twice');

select advance('29 s');
select campaign.tick();
select is_empty('select from claim(1)', 'not a second before quiet_until');
select retry(1, '1 s') as again \gset
select report(1, :job, :again, 2);
select is((select count(*) from campaign.retry_item where chunk_no is null), 0::bigint, 'then it is under way');
select refused(format('select campaign.resolve_uncertain(%L, ''sent'', ''{p2@example.com}'')', job_id(:job)), 'CP013', '{p2@example.com}', 'and nothing is left to decide');
select report(1, :job, :again, null, '2 sent');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 sent, 2 sent', 'it was accepted');
select books_hold(:job);

select start_job(1) as forced \gset
select claim(1);
select report(1, :forced, 1, 1);
select report(1, :forced, 1, null, '1 uncertain');
select campaign.tick();
select campaign.resolve_uncertain(job_id(:forced), 'resend');
select is_empty('select from claim(1)', 'a resend that waits');
select campaign.resolve_uncertain(job_id(:forced), 'resend', force => true);
select isnt_empty('select from claim(1)', 'waits no longer when it is forced');
select books_hold(:forced);

select * from finish();
rollback;
