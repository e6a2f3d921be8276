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
  p_scheduled_at timestamptz,
  p_on_uncertain text,
  p_track_opens boolean,
  p_track_clicks boolean,
  p_dedupe_key text,
  p_idempotency_key text,
  out job campaign.email_jobs,
  out audience_query text,
  out existing boolean
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_template campaign.email_templates := campaign._find_template(p_template);
  v_integration_id uuid;
  v_config jsonb := campaign._check_config(p_config);
  v_subject text := coalesce(p_subject, v_template.subject);
  v_dedupe_key text := coalesce(p_dedupe_key, format('%s/%s/%s', coalesce(p_event_id::text, '-'), p_segment, v_template.id));
  v_problem jsonb;
  v_event_check text := (select s.value from campaign.setting s where s.name = 'event_check');
  v_event_exists boolean;
begin
  perform campaign._enter_protocol();

  if not coalesce(length(p_idempotency_key) between 1 and 200, true) or not coalesce(length(p_dedupe_key) between 1 and 200, true) then
    raise exception using
      errcode = 'CP008',
      message = 'dedupe_key and idempotency_key have 1 to 200 characters',
      hint = 'Leave a key out to do without it.';
  end if;

  if p_idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended('campaign idempotency ' || p_idempotency_key, 0));
    select j.* into job from campaign.email_jobs j where j.idempotency_key = p_idempotency_key;
    if found then
      if (job.segment, job.template_id, job.event_id) is distinct from (p_segment, v_template.id, p_event_id) then
        raise exception using
          errcode = 'CP012',
          message = format('idempotency key %L has started another campaign', p_idempotency_key),
          detail = format('Campaign %s: segment %s, template %s, event %s.', job.id, job.segment, job.template_id, job.event_id),
          hint = 'Use a new key for a new campaign.';
      end if;
      existing := true;
      return;
    end if;
  end if;
  existing := false;

  -- As campaign_owner, not as the caller: who may write the setting must not borrow the rights of who starts campaigns.
  if p_event_id is not null and v_event_check is not null then
    if to_regprocedure(v_event_check || '(uuid)') is null then
      raise exception using
        errcode = 'CP005',
        message = format('whether there is an event %s cannot be asked: there is no function %s(uuid)', p_event_id, v_event_check),
        hint = 'Create the function, or delete the row event_check of campaign.setting.';
    end if;
    execute format('select %s($1)', to_regprocedure(v_event_check || '(uuid)')::regproc) into v_event_exists using p_event_id;
    if not coalesce(v_event_exists, false) then
      raise exception using
        errcode = 'CP005',
        message = format('there is no event %s', p_event_id),
        hint = 'Give the id of an event, as the application stores it.';
    end if;
  end if;

  v_integration_id := campaign._find_integration(p_integration);

  if p_audience_query is not null then
    if p_segment is distinct from 'custom' then
      raise exception using
        errcode = 'CP010',
        message = format('audience_query does not go with segment %L', p_segment),
        hint = 'Use segment => ''custom'' with audience_query, or the segment''s own query without it.';
    end if;
    audience_query := p_audience_query;
  else
    select s.query into audience_query from campaign.segments s where s.name = p_segment;
    if not found then
      raise exception using
        errcode = 'CP003',
        message = format('there is no segment %L', p_segment),
        hint = coalesce(
          (select 'Segments: ' || string_agg(s.name, ', ' order by s.name) || '.' from campaign.segments s),
          'There is none yet: insert into campaign.segments (name, query) values (…), or use segment => ''custom'' with audience_query.');
    end if;
  end if;

  v_problem := campaign._check_template(v_subject, v_template.html, v_template.text, v_template.variables);
  if v_problem is not null then
    raise exception using
      errcode = 'CP009',
      message = format('subject: %s', v_problem ->> 'message'),
      detail = format('%s, line %s, column %s.', v_problem ->> 'part', v_problem ->> 'line', v_problem ->> 'column'),
      hint = coalesce(v_problem ->> 'hint', 'Variables are first_name, name, email, and those declared by the template.');
  end if;
  if btrim(v_subject) = '' then
    raise exception using errcode = 'CP008', message = 'subject is empty', hint = 'Leave subject out to use the template''s.';
  end if;

  if p_on_uncertain not in ('hold', 'resend', 'assume_sent') then
    raise exception using
      errcode = 'CP008',
      message = format('on_uncertain cannot be %L', p_on_uncertain),
      detail = 'It says what happens to a recipient of whom nobody can know whether the relay accepted the mail.',
      hint = 'Write hold (a person decides), resend, or assume_sent.';
  end if;
  if p_track_opens or p_track_clicks then
    raise exception using
      errcode = 'feature_not_supported',
      message = 'this version does not track opens and clicks yet',
      hint = 'Leave track_opens and track_clicks out.';
  end if;

  -- Concurrent starts with the same key see each other's audience.
  perform pg_advisory_xact_lock(hashtextextended('campaign dedupe ' || v_dedupe_key, 0));

  set constraints campaign.audience_is_frozen deferred;
  insert into campaign.email_jobs (
    event_id, segment, template_id, template_version, integration_id, subject, status, config, chunk_size, on_uncertain,
    dedupe_key, idempotency_key, scheduled_at)
  values (
    p_event_id, p_segment, v_template.id, v_template.version, v_integration_id, v_subject,
    case when p_scheduled_at > campaign.now() then 'scheduled' else 'pending' end,
    v_config, (v_config ->> 'chunk_size')::integer, coalesce(p_on_uncertain, 'hold'),
    v_dedupe_key, p_idempotency_key, p_scheduled_at)
  returning * into job;
end
$$;
