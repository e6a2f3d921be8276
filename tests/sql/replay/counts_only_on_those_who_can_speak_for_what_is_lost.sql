begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(5);

select start_job(8, '{"chunk_size": 2}') as job \gset
select claim(1);
select standby_receives();
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 sent, 2 sent');
select fail_over();

-- Told to stop before it could tell.
select campaign.unregister_runner(runner(1));
select isnt_empty('select from campaign.runner where runner_id = runner(1)', 'a runner that says goodbye before it has told is missed');
select replay(2);
select advance('60 s');
select campaign.tick();
select matches((select status_reason from campaign.email_jobs), 'host, process 1', 'so a person decides');

-- Nobody of those that the copy knows is left; one came later, and cannot know what others did before.
select campaign.resume_campaign(job_id(:job));
delete from campaign.runner;
select become_another('timeline');
select replay(3);
select advance('10 s');
select campaign.tick();
select matches((select status_reason from campaign.email_jobs), 'no runner told what it sent', 'who came after it does not count');

-- A dump that was loaded only in part has no last moment.
select campaign.resume_campaign(job_id(:job));
update campaign.runner set incarnation = 'another';
update campaign.incarnation set name = 'another';
delete from campaign.tick_state;
update campaign.runner set heartbeat_at = '-infinity';
select campaign.register_runner(runner(4), 'host', 4, '0.1.0', 1);
update campaign.incarnation set heard_until = null;
select replay(3);
select advance('60 s');
select campaign.tick();
select matches((select status_reason from campaign.email_jobs), 'ends at an unknown time', 'a copy without a last moment is not trusted');
select books_hold(:job);

select * from finish();
rollback;
