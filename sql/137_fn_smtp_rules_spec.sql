-- The rules as a runner needs them, in the order in which they are asked.
create function campaign._smtp_rules_spec()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', r.id, 'phase', r.phase, 'code', r.code, 'enhanced', r.enhanced, 'reply', r.reply, 'verdict', r.verdict, 'class', r.class)
    order by r.builtin, r.id), '[]')
  from campaign.smtp_rules r
$$;
