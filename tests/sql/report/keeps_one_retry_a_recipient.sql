-- Guard: retrykey.
begin;
\ir ../_protocol.sql
select plan(5);

select start_job(1, '{}', 'resend') as job \gset
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select report(1, :job, 1, 1);
select fall_silent(1);
select campaign.tick();
select report(1, :job, 1, null, '1 deferred 451', :epoch);
select is((select count(*) from campaign.retry_item), 1::bigint, 'a resend waits already: the late "not accepted" adds none');
select retry(2, '15 min') as retry \gset
select report(2, :job, :retry, 1);
select report(2, :job, :retry, null, '1 returned');
select is((select array_agg(chunk_no) from campaign.retry_item), array[null::bigint], 'the next one takes the place of the one that was used up');
select retry(2) as last \gset
select is(report(2, :job, :last, 1) -> 'go', '[1]', 'one hand');
select report(2, :job, :last, null, '1 sent');
select campaign.tick();
select is(status(:job), 'completed', 'and one mail');
select books_hold(:job);

select * from finish();
rollback;
