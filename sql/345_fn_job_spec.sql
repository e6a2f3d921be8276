create function campaign.job_spec(p_job_no bigint)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'job_no', j.job_no,
    'id', j.id,
    'integration_id', j.integration_id,
    'concurrency', j.config -> 'concurrency',
    'max_retries', j.config -> 'max_retries',
    'window', campaign._send_window(j.job_no),
    'message', campaign._message_spec(i.config, j.config, v, j.subject, j.segment, j.public_url),
    'links', case when k.key_id is not null then
      jsonb_build_object('key_id', k.key_id, 'key', encode(k.secret, 'hex'), 'track_opens', j.track_opens, 'track_clicks', j.track_clicks) end)
  from campaign.email_jobs j
  join campaign.email_integrations i on i.id = j.integration_id
  join campaign.template_version v on v.template_id = j.template_id and v.version = j.template_version
  left join campaign.signing_key k on k.key_id = j.signing_key_id
  where j.job_no = p_job_no
$$;

comment on function campaign.job_spec(bigint) is
'What a runner needs to send a job''s mails: {job_no, id, integration_id, concurrency: connections, max_retries, window: positions that may be open at once, message: {from_email, from_name, reply_to, headers, segment, public_url: where our links in it begin or null, template}, links: {key_id, key: hexadecimal, track_opens, track_clicks}, or null without public_url}. Null: no such job.';
