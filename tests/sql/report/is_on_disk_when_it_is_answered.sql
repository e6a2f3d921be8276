begin;
\ir ../_protocol.sql
select plan(3);

select start_job(1) as job \gset
select claim(1);
set local synchronous_commit = off;
select report(1, :job, 1, 1);
select is(current_setting('synchronous_commit'), 'on', 'whatever the session wants');
set local synchronous_commit = off;
select release(1, :job, 1, '1 sent');
select is(current_setting('synchronous_commit'), 'on', 'release too');
set local synchronous_commit = off;
select claim(1);
select is(current_setting('synchronous_commit'), 'on', 'and a claim');

select * from finish();
rollback;
