begin;
\ir ../_protocol.sql
select plan(4);

select start_job(1, '{}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 1);
select fall_silent(1);
select campaign.tick();
select is((select count(*) from campaign.retry_item where chunk_no is null), 1::bigint, 'a resend waits');
select report(1, :job, 1, null, '1 sent', :epoch);
select is_empty('select from campaign.retry_item', 'not any more');
select campaign.tick();
select is(status(:job), 'completed', 'the job has an end');
select books_hold(:job);

select * from finish();
rollback;
