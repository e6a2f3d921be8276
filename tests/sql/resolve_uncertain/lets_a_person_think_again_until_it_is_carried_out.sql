begin;
\ir ../_protocol.sql
select plan(10);

select start_job(2) as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 uncertain, 2 uncertain');
select campaign.tick();

select campaign.resolve_uncertain(job_id(:job), 'resend');
select is(states(:job), '1 pending, 2 pending', 'mail them again');
select campaign.resolve_uncertain(job_id(:job), 'sent', '{p1@example.com}');
select is(states(:job), '1 sent, 2 pending', 'no, the first has it');
select is((select count(*) from campaign.retry_item), 1::bigint, 'so only the other waits');
select books_hold(:job);
select campaign.tick();
select is(status(:job), 'partial', 'the campaign waits with it');
select refused(format('select campaign.resolve_uncertain(%L, ''resend'', ''{p1@example.com}'')', job_id(:job)), 'CP013', '{p1@example.com}', 'who counts as sent is not uncertain');

select campaign.pause_campaign(job_id(:job));
select campaign.resolve_uncertain(job_id(:job), 'sent');
select is(status(:job) || ': ' || states(:job), 'paused: 1 sent, 2 sent', 'a paused campaign stays paused');
select books_hold(:job);
select campaign.resume_campaign(job_id(:job));
select campaign.tick();
select is(status(:job), 'completed', 'and has nothing left to do when it is resumed');
select books_hold(:job);

select * from finish();
rollback;
