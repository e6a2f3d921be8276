create function campaign._api_suppressions(p_limit integer, p_cursor text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := campaign._api_limit(p_limit);
  v_suppressions jsonb;
  v_last text;
begin
  with page as (
    select s.*
    from campaign.suppressions s
    where p_cursor is null or s.email > p_cursor
    order by s.email
    limit v_limit
  )
  select coalesce(jsonb_agg(to_jsonb(p) order by p.email), '[]'), case when count(*) = v_limit then max(p.email) end
  into v_suppressions, v_last
  from page p;
  return jsonb_build_object('suppressions', v_suppressions, 'next_cursor', v_last);
end
$$;
