-- What makes a mail beside its recipient. The campaign's config wins over the integration's, header by header.
create function campaign._message_spec(
  p_integration jsonb,
  p_job jsonb,
  p_version campaign.template_version,
  p_subject text,
  p_segment text,
  p_public_url text
)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'from_email', p_integration ->> 'from_email',
    'from_name', coalesce(p_job ->> 'from_name', p_integration ->> 'from_name'),
    'reply_to', coalesce(p_job ->> 'reply_to', p_integration ->> 'reply_to'),
    'headers', (
      select coalesce(jsonb_object_agg(h.key, h.value), '{}')
      from (
        select j.key, j.value
        from jsonb_each(nullif(p_job -> 'headers', 'null')) j
        union all
        select i.key, i.value
        from jsonb_each(nullif(p_integration -> 'headers', 'null')) i
        where not exists (
          select from jsonb_object_keys(nullif(p_job -> 'headers', 'null')) k where lower(k) = lower(i.key))
      ) h),
    'segment', p_segment,
    'public_url', p_public_url,
    'template', jsonb_build_object(
      'version', p_version.version,
      'subject', p_subject,
      'html', p_version.html,
      'text', p_version.text,
      'variables', p_version.variables))
$$;
