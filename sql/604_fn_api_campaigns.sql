-- Newest first.
create function campaign._api_campaigns(p_event_id uuid, p_segment text, p_status text, p_template text, p_limit integer, p_cursor text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := campaign._api_limit(p_limit);
  v_cursor bigint := campaign._api_cursor(p_cursor);
  v_template uuid := case when p_template is not null then (campaign._find_template(p_template)).id end;
  v_jobs jsonb;
  v_last bigint;
begin
  if p_status not in ('scheduled', 'pending', 'running', 'partial', 'paused', 'completed', 'failed', 'cancelled') then
    raise exception using
      errcode = 'CP008',
      message = format('a campaign is never %L', p_status),
      detail = 'status is that of the campaigns to be listed.',
      hint = 'scheduled, pending, running, partial, paused, completed, failed or cancelled.';
  end if;
  with page as (
    select j
    from campaign.email_jobs j
    where (p_event_id is null or j.event_id = p_event_id)
      and (p_segment is null or j.segment = p_segment)
      and (p_status is null or j.status = p_status)
      and (v_template is null or j.template_id = v_template)
      and (v_cursor is null or j.job_no < v_cursor)
    order by j.job_no desc
    limit v_limit
  )
  select coalesce(jsonb_agg(campaign._api_job(p.j) - 'errors' order by (p.j).job_no desc), '[]'),
    case when count(*) = v_limit then min((p.j).job_no) end
  into v_jobs, v_last
  from page p;
  return jsonb_build_object('jobs', v_jobs, 'next_cursor', v_last::text);
end
$$;
