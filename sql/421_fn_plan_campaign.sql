-- Not SECURITY DEFINER, like start_campaign, whose checks and audience it shares.
create function campaign.plan_campaign(
  segment text,
  template text,
  event_id uuid default null,
  subject text default null,
  config jsonb default '{}',
  integration text default null,
  audience_query text default null,
  audience_keys text[] default null,
  dedupe_key text default null,
  allow_repeat boolean default false,
  out total_contacts bigint,
  out excluded jsonb,
  out chunks bigint,
  out rate_limit numeric,
  out estimated_time interval,
  out recipients jsonb,
  out left_out jsonb
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set transaction_read_only = on
as $$
declare
  v_start record;
  v_audience record;
begin
  v_start := campaign._check_start(
    plan_campaign.segment, plan_campaign.template, plan_campaign.event_id, plan_campaign.subject, plan_campaign.config,
    plan_campaign.integration, plan_campaign.audience_query, plan_campaign.dedupe_key);

  with audience as materialized (
    select a.*
    from campaign._audience(plan_campaign.segment, v_start.audience_query, plan_campaign.event_id, plan_campaign.audience_keys,
      v_start.needed, v_start.dedupe_key, plan_campaign.allow_repeat, null) a
  )
  select
    count(*) filter (where a.reason is null) as total,
    count(*) filter (where a.broken) as broken,
    count(a.lacking) as lacking,
    (select string_agg(distinct n, ', ') from audience l cross join unnest(l.lacking) n) as names,
    (select coalesce(jsonb_object_agg(e.reason, e.n), '{}')
     from (select x.reason, count(*) as n from audience x where x.reason is not null group by x.reason) e) as excluded,
    (select coalesce(jsonb_agg(jsonb_build_object('recipient_key', x.recipient_key, 'email', x.email) order by x.ord), '[]')
     from (select y.* from audience y where y.reason is null order by y.ord limit 100) x) as recipients,
    (select coalesce(jsonb_agg(jsonb_build_object('recipient_key', x.recipient_key, 'email', x.email, 'reason', x.reason) order by x.ord), '[]')
     from (select y.* from audience y where y.reason is not null order by y.ord limit 100) x) as left_out
  into v_audience
  from audience a;
  perform campaign._check_fit(v_audience.total, v_audience.broken, v_audience.lacking, v_audience.names);

  total_contacts := v_audience.total;
  excluded := v_audience.excluded;
  chunks := ceil(total_contacts / (v_start.config ->> 'chunk_size')::numeric);
  rate_limit := least((v_start.config ->> 'rate_limit')::numeric, v_start.integration_rate_limit);
  estimated_time := (total_contacts / rate_limit)::double precision * interval '1 s';
  recipients := v_audience.recipients;
  left_out := v_audience.left_out;

  perform campaign._notice(format('%s of segment %s would get %L%s%s; nothing was started',
    campaign._counted(total_contacts, 'recipient'),
    plan_campaign.segment,
    (v_start.template).slug,
    case when excluded = '{}' then '' else format(' (left out: %s)', campaign._excluded_text(excluded)) end,
    case
      when total_contacts = 0 then ': start_campaign would refuse'
      when rate_limit is null then format(': %s, as fast as the relay takes them', campaign._counted(chunks, 'chunk'))
      else format(': %s, at least %s at %s mails a second', campaign._counted(chunks, 'chunk'), date_trunc('second', estimated_time + interval '0.5 s'), rate_limit)
    end), p_needs_runner => total_contacts > 0);
end
$$;

comment on function campaign.plan_campaign(text, text, uuid, text, jsonb, text, text, text[], text, boolean) is
'What start_campaign with these arguments would do; writes nothing. Returns total_contacts, excluded (counts of the left out by reason), chunks, rate_limit (mails a second; null: none), estimated_time (at that rate; null without one), recipients and left_out (at most 100 each, in the segment''s order, left_out with the reason). Raises what start_campaign would, except CP006 and CP007: an empty plan is an answer.';
