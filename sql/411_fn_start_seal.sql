-- Last part of start_campaign: the audience is complete; cuts it into chunks and lets the runners know.
create function campaign._start_seal(p_job_no bigint, p_excluded jsonb)
returns campaign.email_jobs
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs;
  v_version campaign.template_version;
  v_total bigint;
  v_needed text[];
  v_lacking record;
  v_broken bigint;
begin
  select j.* into v_job from campaign.email_jobs j where j.job_no = p_job_no and not j.audience_frozen for update;
  if not found then
    raise exception using errcode = 'CP011', message = format('job %s has its audience already', p_job_no);
  end if;

  -- The audience was written with the caller's rights: what everything later relies on is looked at here.
  select count(*), count(*) filter (where
    jsonb_typeof(r.vars) <> 'object'
    or jsonb_path_exists(r.vars,
      'strict $.* ? (@.type() == "object" || @.type() == "array" || (@.type() == "number" && (@ > 1e15 || @ < -1e15)))')
    or campaign._fold_address(r.email) is null)
  into v_total, v_broken
  from campaign.recipient r
  where r.job_no = p_job_no;
  if v_broken > 0 then
    raise exception using
      errcode = 'CP009',
      message = format('vars of %s of %s recipients cannot be put into a mail', v_broken, v_total),
      detail = 'vars is an object; each value is a string, a boolean, null, or a number within ±10¹⁵.',
      hint = 'Build it with jsonb_build_object(''name'', name, ''first_name'', first_name) in the segment''s query.';
  end if;
  if exists (select from campaign.recipient r where r.job_no = p_job_no and r.pos not between 1 and v_total)
    or exists (
      select from jsonb_each(p_excluded) e
      where e.key not in ('invalid', 'duplicate', 'suppressed', 'already_mailed') or jsonb_typeof(e.value) <> 'number')
  then
    raise exception using
      errcode = 'CP011',
      message = format('the audience of job %s is not one that start_campaign writes', p_job_no),
      hint = 'Start campaigns by start_campaign.';
  end if;
  if v_total = 0 and coalesce((p_excluded ->> 'already_mailed')::bigint, 0) > 0 then
    raise exception using
      errcode = 'CP007',
      message = 'everybody in this audience has this mail already',
      detail = format('Left out: %s.', campaign._excluded_text(p_excluded)),
      hint = 'Nobody is mailed twice. To send it again on purpose: allow_repeat => true.';
  elsif v_total = 0 then
    raise exception using
      errcode = 'CP006',
      message = format('segment %L has nobody to mail', v_job.segment),
      detail = format('Left out: %s.', campaign._excluded_text(p_excluded)),
      hint = case v_job.segment
        when 'custom' then 'Give audience_keys => array[''…''], or audience_query => ''select …''.'
        else 'Is this the right event_id? The segment''s query is in campaign.segments.' end;
  end if;

  select v.* into strict v_version
  from campaign.template_version v
  where v.template_id = v_job.template_id and v.version = v_job.template_version;
  v_needed := array_remove(
    campaign._template_variables(v_job.subject, v_version.html, v_version.text, v_version.variables), 'email');
  select string_agg(distinct n.name, ', ') as names, count(distinct r.pos) as recipients into v_lacking
  from campaign.recipient r
  cross join unnest(v_needed) as n (name)
  where r.job_no = p_job_no
    and not jsonb_strip_nulls(r.vars) ?& v_needed
    and not jsonb_strip_nulls(r.vars) ? n.name;
  if v_lacking.recipients > 0 then
    raise exception using
      errcode = 'CP009',
      message = format('the template reads %s, which %s of %s recipients lack', v_lacking.names, v_lacking.recipients, v_total),
      detail = 'A mail with a hole in it is not sent: a variable must have a value for each recipient.',
      hint = 'Give them in the vars that the segment''s query returns, or take them out of the template.';
  end if;

  insert into campaign.chunk (job_no, chunk_no, kind, first_pos, last_pos, n, mark)
  select p_job_no, c.chunk_no, 'range', c.first_pos, c.last_pos, c.last_pos - c.first_pos + 1, c.first_pos - 1
  from (
    select g as chunk_no, (g - 1) * v_job.chunk_size + 1 as first_pos, least(g * v_job.chunk_size, v_total) as last_pos
    from generate_series(1, (v_total - 1) / v_job.chunk_size + 1) g
  ) c;

  update campaign.email_jobs j
  set total_contacts = v_total, excluded = p_excluded, audience_frozen = true
  where j.job_no = p_job_no
  returning j.* into v_job;

  if v_job.status = 'pending' then
    perform pg_notify('campaign_wake', '');
  end if;
  return v_job;
end
$$;
