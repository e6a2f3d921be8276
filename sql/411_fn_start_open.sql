-- First part of start_campaign: checks all that can be checked before the audience is read, and writes the job's row.
-- existing: the idempotency key has started this campaign before.
create function campaign._start_open(
  p_segment text,
  p_template text,
  p_event_id uuid,
  p_subject text,
  p_config jsonb,
  p_integration text,
  p_audience_query text,
  p_audience_keys text[],
  p_scheduled_at timestamptz,
  p_on_uncertain text,
  p_track_opens boolean,
  p_track_clicks boolean,
  p_dedupe_key text,
  p_idempotency_key text,
  p_allow_repeat boolean,
  out job campaign.email_jobs,
  out audience_query text,
  out needed text[],
  out existing boolean
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_template campaign.email_templates := campaign._find_template(p_template);
  v_start record;
  v_key_id integer;
  v_request_hash bytea;
begin
  perform campaign._enter_protocol();

  if not coalesce(length(p_idempotency_key) between 1 and 200, true) then
    raise exception using
      errcode = 'CP008',
      message = format('an idempotency_key cannot have %s characters', length(p_idempotency_key)),
      detail = 'It has 1 to 200 characters; the same key starts a campaign once.',
      hint = 'Leave it out to do without it.';
  end if;

  if p_idempotency_key is not null then
    -- No time zone and no order of keys in it: the same call has the same hash in every session.
    v_request_hash := sha256(convert_to(jsonb_build_array(
      p_segment, v_template.id, p_event_id, p_subject, coalesce(p_config, '{}'), p_integration, p_audience_query, p_audience_keys,
      p_scheduled_at at time zone 'UTC', coalesce(p_on_uncertain, 'hold'), coalesce(p_track_opens, false), coalesce(p_track_clicks, false),
      p_dedupe_key, coalesce(p_allow_repeat, false))::text, 'UTF8'));
    perform pg_advisory_xact_lock(hashtextextended('campaign idempotency ' || p_idempotency_key, 0));
    select j.* into job from campaign.email_jobs j where j.idempotency_key = p_idempotency_key;
    if found then
      if job.request_hash <> v_request_hash then
        raise exception using
          errcode = 'CP012',
          message = format('idempotency key %L has started another campaign', p_idempotency_key),
          detail = format('Campaign %s: segment %s, template %s, event %s; one of its arguments was another than now.',
            job.id, job.segment, job.template_id, coalesce(job.event_id::text, 'none')),
          hint = 'Use a new key for a new campaign. A call is repeated with all its arguments as they were.';
      end if;
      existing := true;
      return;
    end if;
  end if;
  existing := false;

  v_start := campaign._check_start(
    p_segment, p_template, p_event_id, p_subject, p_config, p_integration, p_audience_query, p_dedupe_key);
  audience_query := v_start.audience_query;
  needed := v_start.needed;

  if p_on_uncertain not in ('hold', 'resend', 'assume_sent') then
    raise exception using
      errcode = 'CP008',
      message = format('on_uncertain cannot be %L', p_on_uncertain),
      detail = 'It says what happens to a recipient of whom nobody can know whether the relay accepted the mail.',
      hint = 'Write hold (a person decides), resend, or assume_sent.';
  end if;
  if (p_track_opens or p_track_clicks) and v_start.public_url is null then
    raise exception using
      errcode = 'CP008',
      message = 'opens and clicks cannot be tracked: no link would lead anywhere',
      detail = 'The setting public_url says where the links in mails begin; there is none.',
      hint = 'Set it: insert into campaign.setting (name, value) values (''public_url'', ''https://mail.example.com''), where campaign-runner serve is reached. Or leave track_opens and track_clicks out.';
  end if;

  if p_scheduled_at = 'infinity' then
    raise exception using
      errcode = 'CP008',
      message = 'scheduled_at cannot be infinity',
      detail = 'The audience is kept from now on until the campaign starts.',
      hint = 'Give a time, or leave scheduled_at out to start now.';
  end if;

  -- Concurrent starts with the same key see each other's audience.
  perform campaign._lock_dedupe(v_start.dedupe_key);

  if v_start.public_url is not null then
    -- Whoever would retire it waits, and sees this campaign.
    select k.key_id into v_key_id from campaign.signing_key k where k.retired_at is null order by k.key_id desc limit 1 for share;
    v_key_id := coalesce(v_key_id, campaign._new_signing_key());
  end if;

  set constraints campaign.audience_is_frozen deferred;
  insert into campaign.email_jobs (
    event_id, segment, template_id, template_version, integration_id, subject, status, config, chunk_size, on_uncertain,
    track_opens, track_clicks, public_url, signing_key_id, dedupe_key, allow_repeat, idempotency_key, request_hash,
    scheduled_at)
  values (
    p_event_id, p_segment, (v_start.template).id, (v_start.template).version, v_start.integration_id, v_start.subject,
    case when p_scheduled_at > campaign.now() then 'scheduled' else 'pending' end,
    v_start.config, (v_start.config ->> 'chunk_size')::integer, coalesce(p_on_uncertain, 'hold'),
    coalesce(p_track_opens, false), coalesce(p_track_clicks, false), v_start.public_url, v_key_id,
    v_start.dedupe_key, coalesce(p_allow_repeat, false), p_idempotency_key, v_request_hash,
    p_scheduled_at)
  returning * into job;
end
$$;
