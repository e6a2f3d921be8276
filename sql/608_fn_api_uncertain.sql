create function campaign._api_uncertain(p_job uuid, p_limit integer, p_cursor text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs := campaign._find_job(p_job);
  v_limit integer := campaign._api_limit(p_limit);
  v_cursor bigint := coalesce(campaign._api_cursor(p_cursor), 0);
  v_uncertain jsonb;
  v_last bigint;
begin
  with page as (
    select u.*
    from campaign.uncertain_deliveries u
    where u.job_id = v_job.id and u.pos > v_cursor
    order by u.pos
    limit v_limit
  )
  select
    coalesce(jsonb_agg(to_jsonb(p) - '{job_id,pos}'::text[] order by p.pos), '[]'),
    case when count(*) = v_limit then max(p.pos) end
  into v_uncertain, v_last
  from page p;
  return jsonb_build_object('uncertain', v_uncertain, 'next_cursor', v_last::text);
end
$$;
