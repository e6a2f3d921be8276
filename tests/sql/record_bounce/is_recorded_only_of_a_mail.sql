begin;
\ir ../_protocol.sql
select plan(11);

select start_job(6) as job \gset
select replace(job_id(:job)::text, '-', '') as hex \gset
create function bounced(p_job bigint, p_pos bigint) returns text language sql as $$
  select concat_ws(' ', b.email, case when b.suppressed then 'suppressed' end, case when b.recorded then 'recorded' end, case when b.job_id is not null then 'of the campaign' end)
  from campaign.record_bounce(format('p%s@example.com', p_pos), job_id(p_job)) b
$$;

select is(bounced(:job, 1), 'p1@example.com suppressed', 'before anything was sent nothing can come back; the address is suppressed all the same');
select results_eq(format('select * from campaign.record_complaint(message_id => ''<%s.1@meetups.example>'')', :'hex'),
  $$ values ('p1@example.com', false, null::uuid, false) $$, 'nor is there a complaint, whatever a Message-ID says');
select claim(1);
select report(1, :job, 1, 5);
select report(1, :job, 1, null, '2 sent, 3 uncertain, 4 failed 550');
select is(bounced(:job, 1), 'p1@example.com', 'of whoever was left out because of that, neither');
select is(bounced(:job, 2), 'p2@example.com suppressed recorded of the campaign', 'a mail that the relay accepted');
select is(bounced(:job, 3), 'p3@example.com suppressed recorded of the campaign', 'one that it may have accepted');
select is(bounced(:job, 4), 'p4@example.com suppressed', 'one that it refused');
select is(bounced(:job, 6), 'p6@example.com suppressed', 'one that is still to come');
select campaign.resolve_uncertain(job_id(:job), 'sent');
select is(bounced(:job, 3), 'p3@example.com of the campaign', 'whatever was decided');
select fall_silent(1);
select campaign.recover_stale();
select is(bounced(:job, 5), 'p5@example.com suppressed recorded of the campaign', 'nobody knows what a runner that died sent');
select is((select string_agg(format('%s %s', kind, pos), ', ' order by pos) from campaign.tracking_event), 'bounce 2, bounce 3, bounce 5', 'nothing else was recorded');
select is((select bounces from campaign.campaign_stats where id = job_id(:job)), 4::bigint, 'nor counted, beside the mail that was refused at once');

select * from finish();
rollback;
