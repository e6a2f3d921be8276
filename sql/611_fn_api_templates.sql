-- By slug, without their content.
create function campaign._api_templates(p_limit integer, p_cursor text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := campaign._api_limit(p_limit);
  v_templates jsonb;
  v_last text;
begin
  with page as (
    select t.*
    from campaign.email_templates t
    where p_cursor is null or t.slug collate "C" > p_cursor
    order by t.slug collate "C"
    limit v_limit
  )
  select
    coalesce(jsonb_agg(to_jsonb(p) - '{html,text}'::text[] order by p.slug collate "C"), '[]'),
    case when count(*) = v_limit then max(p.slug collate "C") end
  into v_templates, v_last
  from page p;
  return jsonb_build_object('templates', v_templates, 'next_cursor', v_last);
end
$$;
