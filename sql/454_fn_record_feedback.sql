-- What record_bounce and record_complaint do. A Message-ID of ours is <campaign.position@domain>; it outranks the address, because
-- mail that was forwarded comes back from another one.
create function campaign._record_feedback(
  p_kind text,
  p_email text,
  p_job uuid,
  p_message_id text,
  p_detail text,
  out email text,
  out suppressed boolean,
  out job_id uuid,
  out recorded boolean
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_named text[] := regexp_match(p_message_id, '^\s*<?([0-9a-f]{32})\.([0-9]{1,18})@[^<>@\s]+>?\s*$', 'i');
  v_job campaign.email_jobs;
  v_recipient campaign.recipient;
  v_mailed boolean;
begin
  email := campaign._fold_address(p_email);
  if p_email is not null and email is null then
    raise exception using
      errcode = 'CP008',
      message = 'this is not an address that could be mailed',
      detail = format('A %s is of one recipient.', p_kind),
      hint = 'Write one address without a name, e.g. ada@example.com.';
  elsif v_named is null and email is null then
    raise exception using
      errcode = 'CP008',
      message = format('this %s names nobody', p_kind),
      detail = case when p_message_id is null then 'Neither email nor message_id is given.' else 'The Message-ID is not that of a mail of a campaign.' end,
      hint = 'Give email => ''ada@example.com'', with job if you know it; or message_id => ''<…@…>'' of the mail that came back.';
  end if;

  if coalesce(p_job::text, v_named[1]) is not null then
    v_job := campaign._find_job(coalesce(v_named[1]::uuid, p_job));
  end if;
  if v_job.id <> p_job then
    raise exception using
      errcode = 'CP008',
      message = format('message_id is of campaign %s, not of %s', v_job.id, p_job),
      detail = 'The Message-ID of a mail begins with the id of its campaign.',
      hint = 'Leave job out: the Message-ID tells it.';
  end if;
  if v_named is not null then
    select r.* into v_recipient from campaign.recipient r where r.job_no = v_job.job_no and r.pos = v_named[2]::bigint;
    if not found then
      raise exception using
        errcode = 'CP008',
        message = format('campaign %s has no recipient %s', v_job.id, v_named[2]),
        detail = format('It has %s; a Message-ID is <campaign.position@domain>.', campaign._counted(v_job.total_contacts, 'recipient')),
        hint = 'Give the Message-ID as it is in the mail that came back; or the address alone.';
    end if;
    email := campaign._fold_address(v_recipient.email);
  elsif v_job.job_no is not null then
    select r.* into v_recipient from campaign.recipient r where r.job_no = v_job.job_no and campaign._fold_address(r.email) = _record_feedback.email;
  end if;

  insert into campaign.suppressions (email, reason) values (_record_feedback.email, p_kind) on conflict do nothing;
  suppressed := found;
  if not suppressed and p_kind = 'complaint' then
    update campaign.suppressions s set reason = 'complaint' where s.email = _record_feedback.email and s.reason <> 'complaint';
  end if;
  recorded := false;
  -- What was never sent cannot come back: somebody is wrong about the campaign.
  v_mailed := exists (
      select from campaign.attempt a where a.job_no = v_job.job_no and a.pos = v_recipient.pos and a.outcome in ('sent', 'uncertain'))
    or exists (select from campaign.doubt d where d.job_no = v_job.job_no and d.pos = v_recipient.pos);
  if v_mailed then
    job_id := v_job.id;
    insert into campaign.tracking_event (job_no, pos, kind, detail, at)
    values (v_job.job_no, v_recipient.pos, p_kind, left(p_detail, 1000), campaign.now())
    on conflict do nothing;
    recorded := found;
  end if;

  perform campaign._notice(concat(
    case when suppressed then 'the address is suppressed' else 'the address was suppressed before' end,
    case
      when recorded then format('; %s recorded in campaign %s', p_kind, v_job.id)
      when job_id is not null then format('; campaign %s has this %s already', v_job.id, p_kind)
      when v_recipient.pos is not null then format('; campaign %s has not mailed it, so nothing was recorded there', v_job.id)
      when v_job.id is not null then format('; it is not a recipient of campaign %s, so nothing was recorded there', v_job.id) end));
end
$$;
