-- Of the config what is no secret, by name: what may be added to it later stays hidden.
create function campaign._api_integrations()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('integrations', coalesce(jsonb_agg(
    to_jsonb(i) || jsonb_build_object('config', (
      select coalesce(jsonb_object_agg(c.key, c.value), '{}')
      from jsonb_each(i.config) c
      where c.key in ('host', 'port', 'secure', 'tls', 'address_family', 'from_email', 'from_name', 'reply_to')))
    order by i.name), '[]'))
  from campaign.email_integrations i
$$;
