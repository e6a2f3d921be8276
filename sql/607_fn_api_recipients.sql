-- By position, which never changes: whoever is read while the campaign runs is met once.
create function campaign._api_recipients(p_job uuid, p_outcome text, p_limit integer, p_cursor text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs := campaign._find_job(p_job);
  v_limit integer := campaign._api_limit(p_limit);
  v_cursor bigint := coalesce(campaign._api_cursor(p_cursor), 0);
  v_recipients jsonb;
  v_last bigint;
begin
  if p_outcome not in ('sent', 'pending', 'uncertain', 'failed', 'suppressed', 'cancelled') then
    raise exception using
      errcode = 'CP008',
      message = format('a recipient is never %L', p_outcome),
      detail = 'outcome is that of the recipients to be listed.',
      hint = 'sent, pending, uncertain, failed, suppressed or cancelled.';
  end if;
  with page as (
    (select s.pos, s.recipient_key, s.email, s.state, s.attempts, s.last_at
    from campaign.recipient_state s
    where coalesce(p_outcome not in ('failed', 'uncertain', 'suppressed'), true)
      and s.job_no = v_job.job_no and s.pos > v_cursor and (p_outcome is null or s.state = p_outcome)
    order by s.pos
    limit v_limit)
    union all
    (select m.pos, s.recipient_key, s.email, s.state, s.attempts, s.last_at
    from (select f.pos from campaign._may_be(p_outcome, v_job.job_no, v_cursor) f (pos) order by f.pos) m
    cross join lateral (
      select r.recipient_key, r.email, r.state, r.attempts, r.last_at
      from campaign.recipient_state r
      where r.job_no = v_job.job_no and r.pos = m.pos
      offset 0 -- one look-up for each, until the page is full
    ) s
    where s.state = p_outcome
    order by m.pos
    limit v_limit)
  )
  select
    coalesce(jsonb_agg(jsonb_build_object(
      'recipient_key', p.recipient_key, 'email', p.email, 'outcome', p.state, 'attempts', p.attempts, 'last_at', p.last_at,
      'error', case when p.state = 'failed' then (
        select f.error from campaign.failed_deliveries f where f.job_id = v_job.id and f.pos = p.pos) end) order by p.pos), '[]'),
    case when count(*) = v_limit then max(p.pos) end
  into v_recipients, v_last
  from page p;
  return jsonb_build_object('recipients', v_recipients, 'next_cursor', v_last::text);
end
$$;
