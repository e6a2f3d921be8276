-- Volatile: it sees what the verb has done whose answer it is given.
create function campaign._api_job(p_job campaign.email_jobs)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select to_jsonb(j) - '{job_no,chunk_size,audience_frozen,allow_repeat,idempotency_key,request_hash}'::text[]
    || jsonb_build_object(
      'pending_count', p.pending_count, 'percent', p.percent, 'per_minute', p.per_minute, 'eta_seconds', p.eta_seconds)
  from (select p_job.*) j
  join campaign.campaign_progress p on p.id = j.id
$$;
