-- Not SECURITY DEFINER: the audience is read with the rights of the caller.
create function campaign.start_campaign(
  segment text,
  template text,
  event_id uuid default null,
  subject text default null,
  config jsonb default '{}',
  integration text default null,
  audience_query text default null,
  audience_keys text[] default null,
  scheduled_at timestamptz default null,
  on_uncertain text default 'hold',
  track_opens boolean default false,
  track_clicks boolean default false,
  dedupe_key text default null,
  idempotency_key text default null,
  allow_repeat boolean default false
)
returns campaign.email_jobs
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_open record;
  v_job campaign.email_jobs;
  v_excluded jsonb;
  v_message text;
  v_detail text;
begin
  select o.* into v_open
  from campaign._start_open(
    start_campaign.segment, start_campaign.template, start_campaign.event_id, start_campaign.subject, start_campaign.config,
    start_campaign.integration, start_campaign.audience_query, start_campaign.scheduled_at, start_campaign.on_uncertain,
    start_campaign.track_opens, start_campaign.track_clicks, start_campaign.dedupe_key, start_campaign.idempotency_key) o;
  v_job := v_open.job;
  if v_open.existing then
    raise notice 'campaign % was started before with this idempotency key; nothing was started now', v_job.id;
    return v_job;
  end if;

  begin
    with audience as materialized (
      select a.ord, a.recipient_key, a.email, a.vars,
        case
          when a.folded is null or a.recipient_key is null then 'invalid'
          when a.nth_by_address > 1 or a.nth_by_key > 1 then 'duplicate'
          when s.email is not null then 'suppressed'
          when not coalesce(start_campaign.allow_repeat, false)
            and (a.recipient_key in (select m.recipient_key from campaign._mailed_already(v_job.job_no) m)
              or a.folded in (select m.folded from campaign._mailed_already(v_job.job_no) m)) then 'already_mailed'
        end as reason
      from (
        select f.*,
          row_number() over (partition by f.folded order by f.ord) as nth_by_address,
          row_number() over (partition by f.recipient_key order by f.ord) as nth_by_key
        from (
          select q.*, campaign._fold_address(q.email) as folded
          from (
            select r.recipient_key, btrim(r.email) as email, coalesce(r.vars, '{}') as vars, row_number() over () as ord
            from campaign._read_audience(v_open.audience_query, start_campaign.event_id, start_campaign.audience_keys) r
          ) q
        ) f
      ) a
      left join campaign.suppressions s on s.email = a.folded
    ),
    filled as (
      insert into campaign.recipient (job_no, pos, recipient_key, email, vars)
      select v_job.job_no, row_number() over (order by a.ord), a.recipient_key, a.email, a.vars
      from audience a
      where a.reason is null
    )
    select coalesce(jsonb_object_agg(e.reason, e.n), '{}') into v_excluded
    from (select a.reason, count(*) as n from audience a where a.reason is not null group by a.reason) e;
  exception
    when syntax_error_or_access_rule_violation or data_exception or cardinality_violation or check_violation or invalid_schema_name
      or feature_not_supported or invalid_transaction_state
    then
      get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
      raise exception using
        errcode = 'CP010',
        message = format('the audience of segment %L cannot be read: %s', start_campaign.segment, v_message),
        detail = coalesce(nullif(v_detail, ''), format('SQLSTATE %s.', sqlstate)),
        hint = 'The query is one SELECT of recipient_key text, email text, vars jsonb; $1 is the event id (uuid), $2 a list of keys (text[]). It runs read-only with your rights, and names tables with their schema.';
  end;

  v_job := campaign._start_seal(v_job.job_no, v_excluded);

  raise notice '%', format('campaign %s %s: %s recipients of segment %s%s',
    v_job.id,
    case v_job.status when 'scheduled' then 'will start at ' || v_job.scheduled_at else 'started' end,
    v_job.total_contacts,
    v_job.segment,
    case when v_excluded = '{}' then '' else format(' (left out: %s)', campaign._excluded_text(v_excluded)) end);
  return v_job;
end
$$;

comment on function campaign.start_campaign(
  text, text, uuid, text, jsonb, text, text, text[], timestamptz, text, boolean, boolean, text, text, boolean) is
'Starts a campaign: everybody of the segment gets one mail made from the template (slug or id). All in your transaction: roll it back, and there is no campaign. Returns the email_jobs row.
config: {concurrency: connections of a runner, 1–100, default 3; chunk_size: default 500; max_retries: attempts in all, default 3; rate_limit: mails a second}. integration: name or id of the relay, default: the default one. audience_query, audience_keys: who gets it, for segment custom. scheduled_at: when it starts; the audience is read now. on_uncertain: hold, resend or assume_sent. dedupe_key: whoever has mail of a campaign with the same key is left out, unless allow_repeat; default: event, segment and template. idempotency_key: the same key starts the campaign once and returns it each time.
CP002 template, CP003 segment, CP004 integration, CP005 event unknown; CP006 nobody to mail; CP007 everybody has this mail already; CP008 bad value; CP009 template and recipients do not fit; CP010 audience cannot be read; CP012 idempotency key of another campaign.';
