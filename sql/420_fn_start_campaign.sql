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
  v_audience record;
begin
  v_open := campaign._start_open(
    start_campaign.segment, start_campaign.template, start_campaign.event_id, start_campaign.subject, start_campaign.config,
    start_campaign.integration, start_campaign.audience_query, start_campaign.audience_keys, start_campaign.scheduled_at,
    start_campaign.on_uncertain, start_campaign.track_opens, start_campaign.track_clicks, start_campaign.dedupe_key, start_campaign.idempotency_key,
    start_campaign.allow_repeat);
  v_job := v_open.job;
  if v_open.existing then
    perform campaign._notice(format('campaign %s was started before with this idempotency key; nothing was started now', v_job.id));
    return v_job;
  end if;

  with audience as materialized (
    select a.*
    from campaign._audience(v_job.segment, v_open.audience_query, v_job.event_id, start_campaign.audience_keys, v_open.needed,
      v_job.dedupe_key, v_job.allow_repeat, v_job.job_no) with ordinality a (ord, recipient_key, email, vars, reason, broken, lacking, pos)
  ),
  filled as (
    insert into campaign.recipient (job_no, pos, recipient_key, email, vars)
    select v_job.job_no, a.pos, a.recipient_key, a.email, a.vars
    from audience a
    where a.reason is null and not a.broken
  ),
  noted as (
    insert into campaign.left_out (job_no, ord, recipient_key, email, reason)
    select v_job.job_no, a.ord, a.recipient_key, left(a.email, 320), a.reason
    from audience a
    where a.reason is not null
  )
  select
    count(*) filter (where a.reason is null) as total,
    count(*) filter (where a.broken) as broken,
    count(a.lacking) as lacking,
    (select string_agg(distinct n, ', ') from audience l cross join unnest(l.lacking) n where l.lacking is not null) as names
  into v_audience
  from audience a;
  perform campaign._check_fit(v_audience.total, v_audience.broken, v_audience.lacking, v_audience.names);

  v_job := campaign._start_seal(v_job.job_no);

  perform campaign._notice(format('campaign %s %s: %s of segment %s%s%s',
    v_job.id,
    case v_job.status when 'scheduled' then 'will start at ' || v_job.scheduled_at else 'started' end,
    campaign._counted(v_job.total_contacts, 'recipient'),
    v_job.segment,
    case when v_job.excluded = '{}' then '' else format(' (left out: %s)', campaign._excluded_text(v_job.excluded)) end,
    case when v_job.public_url is null then '; without unsubscribe links: public_url is not set' else '' end),
    p_needs_runner => true);
  return v_job;
end
$$;

comment on function campaign.start_campaign(
  text, text, uuid, text, jsonb, text, text, text[], timestamptz, text, boolean, boolean, text, text, boolean) is
'Starts a campaign: everybody of the segment gets one mail made from the template (slug or id). All in your transaction: roll it back, and there is no campaign. Returns the email_jobs row.
config: {concurrency: connections of a runner, 1–100, default the integration''s max_connections, else 3; chunk_size: default 500; max_retries: attempts in all when the relay does not answer, default 3; time_limit: how long somebody is tried again whom the relay refuses for now, default 24 hours; rate_limit: mails a second; from_name, reply_to, headers: {name: value}, instead of the integration''s}. integration: name or id of the relay, default: the default one. audience_query, audience_keys: who gets it, for segment custom. scheduled_at: when it starts; the audience is read now. on_uncertain: hold, resend or assume_sent. track_opens: whether a pixel tells that a mail was opened; track_clicks: whether links go through our server; both need the setting public_url, with which every mail has an unsubscribe link, too. dedupe_key: whoever has mail of a campaign with the same key is left out, unless allow_repeat; default: event, segment and template. idempotency_key: the same key starts the campaign once and returns it each time that it comes with the same arguments.
CP002 template, CP003 segment, CP004 integration, CP005 event unknown; CP006 nobody to mail; CP007 everybody has this mail already; CP008 bad value; CP009 template and recipients do not fit; CP010 audience cannot be read; CP012 idempotency key of a call with other arguments.';
