-- Last part of start_campaign: the audience is complete; cuts it into chunks and lets the runners know.
create function campaign._start_seal(p_job_no bigint)
returns campaign.email_jobs
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
  v_total bigint;
  v_wrong bigint;
  v_last bigint;
  v_excluded jsonb;
begin
  select j.* into v_job from campaign.email_jobs j where j.job_no = p_job_no and not j.audience_frozen for update;
  if not found then
    raise exception using
      errcode = 'CP011',
      message = format('job %s has its audience already', p_job_no),
      detail = 'An audience is frozen once, in the call that starts the campaign.',
      hint = 'Start campaigns by start_campaign.';
  end if;

  -- The audience was written with the caller's rights: what everything later relies on is looked at here.
  select count(*), count(*) filter (where campaign._fold_address(r.email) is null or r.pos < 1), max(r.pos) into v_total, v_wrong, v_last
  from campaign.recipient r
  where r.job_no = p_job_no;
  if v_wrong > 0 or v_last > v_total then
    raise exception using
      errcode = 'CP011',
      message = format('the audience of job %s is not one that start_campaign writes', p_job_no),
      detail = 'Positions are 1 to N, and each address can be mailed.',
      hint = 'Start campaigns by start_campaign.';
  end if;
  select coalesce(jsonb_object_agg(e.reason, e.n), '{}') into v_excluded
  from (select l.reason, count(*) as n from campaign.left_out l where l.job_no = p_job_no group by l.reason) e;
  if v_total = 0 and coalesce((v_excluded ->> 'already_mailed')::bigint, 0) > 0 then
    raise exception using
      errcode = 'CP007',
      message = 'everybody in this audience has this mail already',
      detail = format('Left out: %s.', campaign._excluded_text(v_excluded)),
      hint = 'Nobody is mailed twice. To send it again on purpose: allow_repeat => true.';
  elsif v_total = 0 then
    raise exception using
      errcode = 'CP006',
      message = format('segment %L has nobody to mail', v_job.segment),
      detail = format('Left out: %s.', campaign._excluded_text(v_excluded)),
      hint = case v_job.segment
        when 'custom' then 'Give audience_keys => array[''…''], or audience_query => ''select …''.'
        else 'Is this the right event_id? The segment''s query is in campaign.segments.' end;
  end if;

  insert into campaign.chunk (job_no, chunk_no, kind, first_pos, last_pos, n, mark)
  select p_job_no, c.chunk_no, 'range', c.first_pos, c.last_pos, c.last_pos - c.first_pos + 1, c.first_pos - 1
  from (
    select g as chunk_no, (g - 1) * v_job.chunk_size + 1 as first_pos, least(g * v_job.chunk_size, v_total) as last_pos
    from generate_series(1, (v_total - 1) / v_job.chunk_size + 1) g
  ) c;

  update campaign.email_jobs j
  set total_contacts = v_total, excluded = v_excluded, audience_frozen = true
  where j.job_no = p_job_no
  returning j.* into v_job;

  if v_job.status = 'pending' then
    perform pg_notify('campaign_wake', '');
  end if;
  return v_job;
end
$$;
