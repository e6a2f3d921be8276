begin;
\ir ../_protocol.sql
select plan(3);

select start_job(2, '{}', 'hold', campaign.now() + interval '1 h') as scheduled \gset
select start_job(2) as paused \gset
select start_job(2) as cancelled \gset
select campaign.pause_campaign(job_id(:paused));
select campaign.cancel_campaign(job_id(:cancelled));
select is_empty($$ select from claim(1, 9) $$, 'not scheduled, not paused, not cancelled ones');
select is(status(:scheduled) || ' ' || status(:paused) || ' ' || status(:cancelled), 'scheduled paused cancelled', 'they stay what they are');
select campaign.resume_campaign(job_id(:paused));
select is((select array_agg(job_no) from claim(1, 9)), array[:paused::bigint], 'resumed, it is served');

select * from finish();
rollback;
