begin;
\ir ../_protocol.sql
select plan(3);

select start_job(2, '{}', 'hold') as job \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 uncertain, 2 sent');
select advance('1 h');
select campaign.tick();
select is(status(:job) || ': ' || states(:job), 'completed: 1 uncertain, 2 sent', 'it stays uncertain, and named');
select is_empty('select from campaign.retry_item', 'it is not sent again');
select books_hold(:job);

select * from finish();
rollback;
