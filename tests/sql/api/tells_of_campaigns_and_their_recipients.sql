begin;
\ir ../_protocol.sql
select plan(27);

select start_job(5, '{"chunk_size": 5}') as job \gset
select start_job(1) as other \gset
select claim(1);
select report(1, :job, 1, 4);
select report(1, :job, 1, null, '1 sent 250, 2 failed 550, 3 uncertain, 4 sent 250');
select campaign.tick();
select job_id(:job) as id, job_id(:other) as other_id \gset

select campaign._api_campaign(:'id') -> 'job' as told \gset
select ok(:'told'::jsonb ?& '{id,status,total_contacts,sent_count,failed_count,cursor,errors,started_at,last_heartbeat,eta_seconds}', 'the fields of a campaign');
select is(j ->> 'id' || (j ->> 'status') || (j ->> 'sent_count') || (j ->> 'failed_count') || (j ->> 'pending_count') || (j ->> 'percent'),
  :'id' || 'running2' || '1' || '1' || '80.0', 'and their values') from (select :'told'::jsonb as j) j;
select is(:'told'::jsonb #>> '{errors,0,email}', 'p2@example.com', 'with who failed');
select ok(not :'told'::jsonb ?| '{job_no,idempotency_key,request_hash}', 'and nothing private');
select is(campaign._api_job(campaign.pause_campaign(:'id')) ->> 'status_reason', 'paused by ' || session_user, 'what a verb has done is told at once');
select is((campaign._api_job(campaign.cancel_campaign(:'other_id')) ->> 'pending_count')::integer, 0, 'in counts, too');

create function listed(p_answer jsonb) returns text language sql as $$
  select string_agg(case when j ->> 'id' = job_id((select min(job_no) from campaign.email_jobs))::text then 'first' else 'second' end, ',' order by n)
    || coalesce(' then ' || (p_answer ->> 'next_cursor'), '')
  from jsonb_array_elements(p_answer -> 'jobs') with ordinality as l (j, n)
$$;
select is(listed(campaign._api_campaigns(null, null, null, null, null, null)), 'second,first', 'the newest first');
select is(listed(campaign._api_campaigns(null, null, null, null, 1, null)), 'second then ' || :other, 'a page');
select is(listed(campaign._api_campaigns(null, null, null, null, 1, :other::text)), 'first then ' || :job, 'and the next');
select is(listed(campaign._api_campaigns(null, 'custom', 'paused', 'letter', null, null)), 'first', 'those that are asked for');
select is(listed(campaign._api_campaigns('00000000-0000-4000-8000-00000000000f', null, null, null, null, null)), null, 'or none');
select is(campaign._api_campaigns(null, null, null, null, null, null) #> '{jobs,0,errors}', null, 'errors are not in lists');

create function people(p_answer jsonb) returns text language sql as $$
  select string_agg(concat_ws(' ', r ->> 'recipient_key', r ->> 'outcome', r ->> 'attempts', r ->> 'error'), ', ' order by n) || coalesce(' then ' || (p_answer ->> 'next_cursor'), '')
  from jsonb_array_elements(p_answer -> 'recipients') with ordinality as l (r, n)
$$;
select is(people(campaign._api_recipients(:'id', null, null, null)), '1 sent 1, 2 failed 1 550 reply, 3 uncertain 1, 4 sent 1, 5 pending 0', 'recipients in the order of positions');
select is(people(campaign._api_recipients(:'id', null, 2, '1')), '2 failed 1 550 reply, 3 uncertain 1 then 3', 'a page');
select is(people(campaign._api_recipients(:'id', 'sent', 1, null)), '1 sent 1 then 1', 'those of an outcome');
select is(people(campaign._api_recipients(:'id', 'sent', 1, '1')), '4 sent 1 then 4', 'page by page');
select is(people(campaign._api_recipients(:'id', 'sent', 1, '4')), null, 'until there are no more');
select is(people(campaign._api_recipients(:'id', o, null, null)), whom, 'who is ' || o)
from (values ('failed', '2 failed 1 550 reply'), ('uncertain', '3 uncertain 1'), ('suppressed', null), ('pending', '5 pending 0')) v (o, whom);
select is(campaign._api_uncertain(:'id', 1, null) #>> '{uncertain,0,recipient_key}', '3', 'who is uncertain');
select is(campaign._api_stats(:'id') #>> '{stats,bounces}', '1', 'results');
select is((select count(*) from (values (campaign._api_recipients(:'id', 'cancelled', null, null)), (campaign._api_uncertain(:'id', null, '3'))) v (a) where a ->> 'next_cursor' is not null), 0::bigint, 'a last page has no next one');

-- The last one is suppressed in time; who failed gets a second chance.
insert into campaign.suppressions (email) values ('p5@example.com');
select campaign.resume_campaign(:'id');
select report(1, :job, 1, 5);
select campaign.retry_failed(:'id');
select retry(1) as chunk \gset
select report(1, :job, :chunk, 2);
select report(1, :job, :chunk, null, '2 sent 250');
select is(people(campaign._api_recipients(:'id', 'failed', null, null)), null, 'who failed and was sent it later did not fail');
select is(people(campaign._api_recipients(:'id', 'suppressed', null, null)), '5 suppressed 0', 'who was suppressed');
set local role campaign_reader;
select is(jsonb_array_length(campaign._api_recipients(:'id', 'uncertain', null, null) -> 'recipients'), 1, 'a reader is told so, too');
reset role;

select * from finish();
rollback;
