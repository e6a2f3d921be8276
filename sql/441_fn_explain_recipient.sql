create function campaign.explain_recipient(
  job uuid,
  email text,
  out at timestamptz,
  out what text,
  out phase text,
  out smtp_code integer,
  out enhanced_code text,
  out verdict text,
  out class text,
  out detail text
)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_job campaign.email_jobs := campaign._find_job(explain_recipient.job);
  v_email text := campaign._fold_address(explain_recipient.email);
begin
  if nullif(btrim(explain_recipient.email), '') is null then
    raise exception using
      errcode = 'CP008',
      message = 'no address is given',
      detail = 'A recipient is found by address, in whatever case it is written.',
      hint = 'Write select * from campaign.explain_recipient(job, ''ada@example.com'').';
  end if;

  return query
    with found as (
      select s.*
      from campaign.recipient_state s
      where s.job_no = v_job.job_no and campaign._fold_address(s.email) = v_email
    ),
    told as (
      select v_job.created_at as at, 1 as rank, format('in the audience: %s', f.state) as what, null::text as phase, null::integer as smtp_code,
        null::text as enhanced_code, null::text as verdict, null::text as class, format('key %s, position %s of %s', f.recipient_key, f.pos, v_job.total_contacts) as detail
      from found f
      union all
      select v_job.created_at, 1, format('left out: %s', replace(l.reason, '_', ' ')), null, null, null, null, null,
        format('key %s; %s', coalesce(l.recipient_key, '(null)'), case l.reason
          when 'invalid' then 'no address that could be mailed, or no key'
          when 'duplicate' then 'the segment named the address or the key more than once'
          when 'suppressed' then 'the address was in campaign.suppressions when the campaign started'
          else format('has mail of another campaign with dedupe key %s', v_job.dedupe_key) end)
      from campaign.left_out l
      where l.job_no = v_job.job_no
        and coalesce(campaign._fold_address(l.email) = v_email, lower(l.email) = lower(btrim(explain_recipient.email)))
      union all
      select t.at, 2, t.outcome, t.phase, t.smtp_code, t.enhanced_code, t.verdict, t.class,
        coalesce(t.detail, case t.outcome
          when 'returned' then 'given back unattempted'
          when 'skipped' then 'not attempted: an earlier mail was, or may have been, accepted'
          when 'suppressed' then 'not attempted: suppressed since the start' end)
      from found f
      join campaign.attempt t on t.job_no = f.job_no and t.pos = f.pos
      union all
      select d.since, 3, 'in doubt', null, null, null, null, null,
        concat('whether the relay accepted the mail cannot be known: ', d.cause, case d.decision
          when 'sent' then format('; counted as sent by %s', d.decided_by)
          when 'resend' then format('; mailed again by decision of %s', d.decided_by)
          when 'fact' then '; settled by a later outcome'
          else '; resolve_uncertain decides' end)
      from found f
      join campaign.doubt d on d.job_no = f.job_no and d.pos = f.pos
      union all
      select e.at, 4, e.kind, null, null, null, null, null,
        coalesce(e.detail, nullif(concat_ws('; ', e.link_url, case when e.agent is not null then format('by %s (%s)', e.family, e.agent) end), ''))
      from found f
      join campaign.tracking_event e on e.job_no = f.job_no and e.pos = f.pos
      union all
      select i.due, 5, 'to be tried again', null, null, null, null, null, case when i.chunk_no is null then 'not before this time' else 'as soon as a runner comes to it' end
      from found f
      join campaign.retry_item i on i.job_no = f.job_no and i.pos = f.pos
    )
    select t.at, t.what, t.phase, t.smtp_code, t.enhanced_code, t.verdict, t.class, t.detail from told t order by t.at, t.rank, t.what;
  if not found then
    return query
      select v_job.created_at, 'not in the audience', null::text, null::integer, null::text, null::text, null::text,
        format('segment %s did not name this address when the campaign started', v_job.segment);
  end if;
end
$$;

comment on function campaign.explain_recipient(uuid, text) is
'What happened to one address in a campaign, in order of time: whether it is in the audience and in which state, or why it was left out; each attempt with phase, reply and what the rules made of it (verdict, class); each doubt and who decided it; each open, click, unsubscribe, bounce and complaint; what is still to come. CP001: no such campaign. CP008: no address.';
