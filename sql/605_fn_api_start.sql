-- p_request: fields of the API, of known names and types. SQL is no field of it.
create function campaign._api_start(p_request jsonb)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
begin
  v_job := campaign.start_campaign(
    segment => p_request ->> 'segment',
    template => p_request ->> 'template_id',
    event_id => (p_request ->> 'event_id')::uuid,
    subject => p_request ->> 'subject',
    config => coalesce(p_request -> 'config', '{}'),
    integration => p_request ->> 'integration',
    audience_keys => case when p_request ? 'audience_keys' then array(select jsonb_array_elements_text(p_request -> 'audience_keys')) end,
    scheduled_at => (p_request ->> 'scheduled_at')::timestamptz,
    on_uncertain => coalesce(p_request ->> 'on_uncertain', 'hold'),
    track_opens => coalesce((p_request ->> 'track_opens')::boolean, false),
    track_clicks => coalesce((p_request ->> 'track_clicks')::boolean, false),
    dedupe_key => p_request ->> 'dedupe_key',
    idempotency_key => p_request ->> 'idempotency_key',
    allow_repeat => coalesce((p_request ->> 'allow_repeat')::boolean, false));
  return jsonb_build_object('job', jsonb_build_object(
    'id', v_job.id, 'status', v_job.status, 'total_contacts', v_job.total_contacts, 'sent_count', v_job.sent_count, 'created_at', v_job.created_at));
end
$$;
