begin;
\ir ../_protocol.sql
select plan(8);

select start_job(6, '{"chunk_size": 3}') as job \gset
select claim(1, 2);
select report(1, :job, 2, 6);
select report(1, :job, 2, null, '4 sent, 5 failed 550, 6 uncertain');
select campaign.tick();
select is((select (sent_count, failed_count, uncertain_count, cursor)::text from campaign.email_jobs), '(1,1,1,0)', 'nothing is attempted of the first chunk');
select is((select errors from campaign.email_jobs), jsonb_build_array(jsonb_build_object('email', 'p5@example.com', 'error', '550 reply', 'attempts', 1, 'timestamp', campaign.now())), 'who failed, and why');
select report(1, :job, 1, 3);
select report(1, :job, 1, null, '1 sent, 3 sent');
select campaign.tick();
select is((select cursor from campaign.email_jobs), 1::bigint, 'position 2 is open');
select advance('1 s');
select report(1, :job, 1, null, '2 failed 554');
select campaign.tick();
select is((select cursor from campaign.email_jobs), 6::bigint, 'all are attempted');
select is((select errors #>> '{0,email}' from campaign.email_jobs), 'p2@example.com', 'the newest error first');
select is((select jsonb_array_length(errors) from campaign.email_jobs), 2, 'both');
select is((select count(*) from campaign.chunk where dirty), 0::bigint, 'nothing is left to add');
select books_hold(:job);

select * from finish();
rollback;
