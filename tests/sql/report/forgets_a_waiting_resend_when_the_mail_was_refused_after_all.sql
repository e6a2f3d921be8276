-- A late fact settles a doubt before a resend is due; then nothing is sent.
begin;
\ir ../_protocol.sql
select plan(4);

select start_job(2, '{}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 2);
select fall_silent(1);
select campaign.tick();
select is((select count(*) from campaign.retry_item where chunk_no is null), 2::bigint, 'resends wait');
select report(1, :job, 1, null, '1 failed 550, 2 deferred 451', :epoch);
select is((select array_agg(pos) from campaign.retry_item), '{2}', 'who was refused for good is not tried again, who was deferred is');
select is(states(:job), '1 failed, 2 pending', 'and counts as failed');
select books_hold(:job);

select * from finish();
rollback;
