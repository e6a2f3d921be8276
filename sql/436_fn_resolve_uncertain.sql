create function campaign.resolve_uncertain(job uuid, decision text, emails text[] default null, force boolean default false)
returns campaign.email_jobs
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_job campaign.email_jobs;
  v_now timestamptz := campaign.now();
  v_force constant boolean := coalesce(resolve_uncertain.force, false);
  v_asked text[];
  v_unknown text[];
  v_open bigint[];
  v_positions bigint[];
  v_again record;
  v_before record;
  v_after record;
  v_due timestamptz;
begin
  perform campaign._enter_protocol();
  if resolve_uncertain.decision is null or resolve_uncertain.decision not in ('sent', 'resend') then
    raise exception using
      errcode = 'CP008',
      message = format('decision cannot be %L', resolve_uncertain.decision),
      detail = 'Whether the relay accepted these mails cannot be known (RFC 1047): a person decides.',
      hint = 'Write sent (count them as sent, mail nobody) or resend (mail them again, perhaps twice).';
  end if;
  if resolve_uncertain.decision = 'resend' then
    -- Before any other lock: a start that holds it may stay open for long, and runners wait for the others.
    perform campaign._lock_dedupe((campaign._find_job(resolve_uncertain.job)).dedupe_key);
  end if;
  v_job := campaign._lock_job(resolve_uncertain.job);
  if v_job.status = 'cancelled' and resolve_uncertain.decision = 'resend' then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s is cancelled: nobody is mailed again', v_job.id),
      detail = 'Cancelling is for good.',
      hint = 'Decide sent, or start the campaign again with allow_repeat.';
  end if;
  perform from campaign.chunk c where c.job_no = v_job.job_no and c.chunk_no = 1 for no key update;

  v_asked := array(select coalesce(campaign._fold_address(e), e) from unnest(resolve_uncertain.emails) e);
  v_open := array(select distinct d.pos from campaign._undecided(v_job.job_no) d);
  perform campaign._lock_doubts(v_job.job_no, v_open);

  -- A fact may have come before the lock.
  v_open := array(select distinct d.pos from campaign._undecided(v_job.job_no) d);
  select
    array(
      select r.pos from campaign.recipient r
      where r.job_no = v_job.job_no and r.pos = any (v_open)
        and (resolve_uncertain.emails is null or campaign._fold_address(r.email) = any (v_asked))),
    array(
      select e from unnest(v_asked) e
      where not exists (
        select from campaign.recipient r
        where r.job_no = v_job.job_no and r.pos = any (v_open) and campaign._fold_address(r.email) = e))
  into v_positions, v_unknown;
  if cardinality(v_unknown) > 0 then
    raise exception using
      errcode = 'CP013',
      message = format('%s of %s addresses are not uncertain in campaign %s', cardinality(v_unknown), cardinality(v_asked), v_job.id),
      detail = format('Among them: %s. Nothing was decided.', array_to_string(v_unknown[1:5], ', ')),
      hint = format('Who is: select email from campaign.uncertain_deliveries where job_id = %L. Of one: select * from campaign.explain_recipient(%L, ''…'').', v_job.id, v_job.id);
  end if;

  v_before := campaign._state_counts(v_job.job_no, v_positions);
  if resolve_uncertain.decision = 'sent' then
    update campaign.doubt d
    set decision = 'sent', decided_by = campaign._subject(), decided_at = v_now
    where d.job_no = v_job.job_no and d.pos = any (v_positions) and (d.decision is null or d.decision = 'resend');
    delete from campaign.retry_item i
    where i.job_no = v_job.job_no and i.pos = any (v_positions) and i.chunk_no is null;
    if cardinality(v_positions) > 0 then
      perform campaign._call_on_sent(v_job.job_no, v_positions);
    end if;
  else
    v_again := campaign._mailable_again(v_job, v_positions);
    insert into campaign.retry_item as i (job_no, pos, due)
    select v_job.job_no, d.pos, case when v_force then v_now else max(d.quiet_until) end
    from campaign.doubt d
    where d.job_no = v_job.job_no and d.pos = any (v_again.mailable) and (d.decision is null or d.decision = 'resend')
    group by d.pos
    on conflict (job_no, pos) do update set due = excluded.due where v_force and i.chunk_no is null;
    update campaign.doubt d
    set decision = 'resend', decided_by = campaign._subject(), decided_at = v_now, resend_asked = true
    where d.job_no = v_job.job_no and d.pos = any (v_again.mailable) and d.decision is null;
    select max(i.due) into v_due from campaign.retry_item i where i.job_no = v_job.job_no and i.pos = any (v_again.mailable);
  end if;
  v_after := campaign._state_counts(v_job.job_no, v_positions);
  perform campaign._count_changes(v_job.job_no, v_before, v_after);

  perform campaign._tick_job(v_job.job_no);
  perform pg_notify('campaign_wake', '');
  v_job := campaign._find_job(v_job.id);
  if cardinality(v_positions) = 0 then
    perform campaign._notice(format('campaign %s: there is nobody to decide about', v_job.id));
  elsif resolve_uncertain.decision = 'sent' then
    perform campaign._notice(format('campaign %s: %s uncertain recipients count as sent', v_job.id, cardinality(v_positions)));
  else
    perform campaign._notice(format('campaign %s: %s of %s uncertain recipients are mailed again%s%s', v_job.id,
      cardinality(v_again.mailable), cardinality(v_positions),
      case when v_due > v_now then format(', not before %s: until then the first mail may still be under way (force => true does not wait)', date_trunc('second', v_due)) else '' end,
      case when v_again.suppressed + v_again.already_mailed > 0 then format(' (left out: %s suppressed, %s already mailed by another campaign)',
        v_again.suppressed, v_again.already_mailed) else '' end),
      p_needs_runner => cardinality(v_again.mailable) > 0);
  end if;
  return v_job;
end
$$;

comment on function campaign.resolve_uncertain(uuid, text, text[], boolean) is
'Decides about recipients of whom nobody can know whether the relay accepted their mail (RFC 1047); uncertain_deliveries lists them. decision: sent (counted as sent) or resend (mailed again). emails: only these addresses; default: all. A resend waits until nothing of the first mail can be under way; force: it does not. A fact that comes later outranks the decision. CP001: no such campaign. CP008: no such decision. CP011: resend in a cancelled campaign, or one whose links'' key is retired. CP013: an address is not uncertain; nothing was decided.';
