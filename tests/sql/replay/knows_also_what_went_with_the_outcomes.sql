begin;
\ir ../_protocol.sql
\ir ../_failover.sql
select plan(12);

-- A campaign that is not in the copy; its number may be another one's there.
select start_job(2) as job \gset
select is(replay(1, jsonb_build_array(lease(:job, 1, 7, 2, '{}', '1 sent') || jsonb_build_object('job_id', runner(77)))) -> 'unknown', jsonb_build_array(runner(77)), 'a campaign that is lost is named');
select is(states(:job), '1 pending, 2 pending', 'and is not taken for another one of its number');
select campaign.cancel_campaign(job_id(:job));

-- The first lease, an address that is no more, a pause.
select start_job(4, '{"chunk_size": 4}') as job \gset
select standby_receives();
select claim(1);
select epoch_of(:job, 1) as epoch \gset
select first_leased_at as first_leased, (extract(epoch from first_leased_at) * 1000000)::bigint as first_leased_us from campaign.chunk where job_no = :job \gset
select report(1, :job, 1, 2);
select reply(1, :job, 1, 1, 'rcpt', '550 5.1.1 nobody');
select is((select count(*) from campaign.suppressions), 1::bigint, 'an address is no more');
select outcome(1, 'rcpt', '550 5.1.1 nobody') as told \gset
select campaign.pause_campaign(job_id(:job));
select fail_over();
select is((select count(*) from campaign.suppressions), 0::bigint, 'the copy does not know');
select advance('1 min');
select replay(1, jsonb_build_array(lease(:job, 1, :epoch, 2, '{2}') || jsonb_build_object('first_leased_us', :first_leased_us, 'stopped', true, 'outcomes', jsonb_build_array(:'told'::jsonb))));
select is((select email from campaign.suppressions), 'p1@example.com', 'until it is told');
select is((select first_leased_at from campaign.chunk where job_no = :job), :'first_leased', 'the mails keep their date');
select is(status(:job), 'paused', 'a pause that is lost is kept by the runner that heard of it');
select books_hold(:job);

-- Two runners shared a retry chunk.
select replay(2), advance('10 s'), campaign.tick();
select start_job(5, '{"chunk_size": 4, "concurrency": 4}') as job \gset
select claim(2);
select report(2, :job, 1, 4);
select report(2, :job, 1, null, '1 deferred, 2 deferred, 3 deferred, 4 deferred');
select replay(1, jsonb_build_array(lease(:job, 9000000, 5, 4, '{}', '3 sent, 4 failed 550')));
select replay(2, jsonb_build_array(lease(:job, 9000000, 4, 2, '{2}', '1 sent')));
select is(states(:job), '1 sent, 2 uncertain, 3 sent, 4 failed', 'each tells its part');
select results_eq($$ select positions, state, passed, recorded from campaign.chunk where chunk_no = 9000000 $$, $$ values ('{1,2,3,4}'::bigint[], 'done', 4::bigint, 4::bigint) $$, 'of one chunk');
select books_hold(:job);

-- Another failover while the first is waited out.
select become_another('timeline');
select campaign.tick();
select heard_until as heard from campaign.incarnation \gset
select advance('5 s');
select become_another('timeline');
select campaign.tick();
select is((select heard_until from campaign.incarnation), :'heard', 'what was unknown is unknown still');

select * from finish();
rollback;
