-- Opens the gate again. Whoever worked for the previous incarnation has to tell what it did: those that it saw alive in its last
-- minute, and those that it does not know, because they registered in what is lost: they call within two heartbeats. If nobody
-- can tell, a person decides about each unfinished campaign. Called by tick.
create function campaign._await_replay()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := campaign.now();
  v_incarnation campaign.incarnation;
  v_missing text[];
  v_patience interval;
  v_reason text;
  v_job record;
begin
  perform from campaign.incarnation i for update;
  select i.* into strict v_incarnation from campaign.incarnation i;

  v_missing := array(
    select format('%s, process %s', r.host, r.pid)
    from campaign.runner r
    where r.incarnation <> v_incarnation.name and r.heartbeat_at > v_incarnation.heard_until - interval '1 min'
    order by r.host, r.pid);
  v_patience := 2 * campaign._setting_interval('stale_after');
  if v_now < v_incarnation.since + 2 * campaign._setting_interval('heartbeat_every')
    or (cardinality(v_missing) > 0 and v_now < greatest(
      v_incarnation.since,
      -- One that is telling has been heard since.
      (select max(r.heartbeat_at) from campaign.runner r where r.incarnation <> v_incarnation.name)) + v_patience)
  then
    v_reason := format('waiting for what the runners tell that they sent: the database is another one since %s', date_trunc('second', v_incarnation.since));
    update campaign.email_jobs j
    set status_reason = v_reason
    where j.job_no in (
      select l.job_no
      from campaign.email_jobs l
      where l.status in ('pending', 'running', 'partial') and coalesce(l.status_reason, 'waiting') like 'waiting%'
        and l.status_reason is distinct from v_reason
      order by l.job_no
      for no key update skip locked);
    return;
  end if;

  if cardinality(v_missing) > 0 or v_incarnation.replays = 0 or v_incarnation.forgotten > 0 or v_incarnation.heard_until is null then
    v_reason := format('%s; %s; %s. Who was mailed since then is not known: look into the relay''s log, then resume_campaign (which mails everybody who is pending here) or cancel_campaign',
      case when split_part(v_incarnation.name, '/', 1) = split_part(v_incarnation.previous, '/', 1)
          and split_part(v_incarnation.name, '/', 3) = split_part(v_incarnation.previous, '/', 3)
        then 'this database is a promoted standby or was recovered to a point in time, and may have lost outcomes'
        else 'this database is a restored dump or a clone' end,
      format('what it remembers ends at %s', coalesce(date_trunc('second', v_incarnation.heard_until)::text, 'an unknown time')),
      case
        when cardinality(v_missing) > 0 then format('%s did not tell what they sent: %s', campaign._counted(cardinality(v_missing), 'runner'),
          array_to_string(v_missing[1:5], '; '))
        when v_incarnation.replays = 0 then 'no runner told what it sent'
        else format('%s did not remember all of it', campaign._counted(v_incarnation.forgotten, 'runner')) end);
    for v_job in
      select j.job_no
      from campaign.email_jobs j
      where j.status not in ('completed', 'failed', 'cancelled') and j.created_at <= v_incarnation.since
        and not (j.status = 'paused' and coalesce(j.status_reason, '') like '%' || v_reason)
      order by j.job_no
      for no key update skip locked
    loop
      update campaign.email_jobs j
      set status = 'paused', status_reason = concat_ws('; ', case when j.status = 'paused' then j.status_reason end, v_reason)
      where j.job_no = v_job.job_no;
    end loop;
    -- One that a person holds is paused by the next tick.
    if exists (
      select
      from campaign.email_jobs j
      where j.status in ('scheduled', 'pending', 'running', 'partial') and j.created_at <= v_incarnation.since)
    then
      return;
    end if;
  end if;
  update campaign.incarnation i set awaits_replay = false;
  perform pg_notify('campaign_wake', '');
end
$$;
