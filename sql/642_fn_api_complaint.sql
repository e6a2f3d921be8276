create function campaign._api_complaint(p_email text, p_job uuid, p_message_id text, p_detail text)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select to_jsonb(r) from campaign.record_complaint(p_email, p_job, p_message_id, p_detail) r
$$;
