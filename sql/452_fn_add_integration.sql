create function campaign.add_integration(
  provider text,
  username text default null,
  password text default null,
  from_email text default null,
  name text default null,
  host text default null,
  port integer default null,
  from_name text default null,
  reply_to text default null,
  is_default boolean default null
)
returns campaign.email_integrations
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_provider campaign.smtp_providers;
  v_name text;
  v_host text;
  v_username text;
  v_password text := nullif(add_integration.password, '');
  v_from_email text;
  v_is_default boolean;
  v_default_before text;
  v_integration campaign.email_integrations;
begin
  select p.* into v_provider from campaign.smtp_providers p where p.name = lower(add_integration.provider);
  if not found then
    raise exception using
      errcode = 'CP008',
      message = format('there is no provider %L', add_integration.provider),
      detail = 'A provider is what is known of a relay: a row of campaign.smtp_providers.',
      hint = format('Providers: %s. For any other relay: campaign.add_integration(''smtp'', host => ''…'', from_email => ''…'').',
        (select string_agg(p.name, ', ' order by p.name) from campaign.smtp_providers p));
  end if;

  v_host := coalesce(add_integration.host, v_provider.host);
  if coalesce(btrim(v_host), '') = '' then
    raise exception using
      errcode = 'CP008',
      message = format('provider %s: host is missing', v_provider.name),
      detail = coalesce(v_provider.note, 'It is the name of the relay''s host.'),
      hint = 'Add e.g.: host => ''smtp.example.com''.';
  end if;

  v_username := coalesce(nullif(add_integration.username, ''), v_provider.username);
  if (v_provider.login and v_username is null) or (v_username is null and v_password is not null) then
    raise exception using
      errcode = 'CP008',
      message = format('provider %s: username is missing', v_provider.name),
      detail = coalesce(v_provider.note, 'A login is a username and a password.'),
      hint = 'Add: username => ''…''.';
  elsif (v_provider.login or v_username is not null) and v_password is null then
    raise exception using
      errcode = 'CP008',
      message = format('provider %s: password is missing', v_provider.name),
      detail = coalesce(v_provider.note, 'A login is a username and a password.'),
      hint = 'Add password => ''env:NAME'' or ''file:/PATH'', which the runner reads on its own host; or the password itself.';
  end if;

  v_from_email := coalesce(add_integration.from_email, v_username);
  if add_integration.from_email is null and campaign._fold_address(v_username) is null then
    raise exception using
      errcode = 'CP008',
      message = format('provider %s: from_email is missing', v_provider.name),
      detail = 'It is the address that the mails are from. It may be left out only where the username is an address.',
      hint = 'Add: from_email => ''hello@example.com''.';
  end if;

  -- Which is the default, and whether the name is free, stays as it is read now.
  lock table campaign.email_integrations in share row exclusive mode;

  v_name := coalesce(add_integration.name, v_provider.name);
  if exists (select from campaign.email_integrations i where i.name = v_name) then
    raise exception using
      errcode = 'CP008',
      message = format('there is an integration %s already', v_name),
      detail = 'Campaigns name the relay that they are sent over.',
      hint = format('Add name => ''…'' to have both. To change the one that is there: update campaign.email_integrations set config = config || ''{"password": "…"}'' where name = %L.', v_name);
  end if;

  select i.name into v_default_before from campaign.email_integrations i where i.is_default;
  v_is_default := coalesce(add_integration.is_default, v_default_before is null);
  if v_is_default then
    update campaign.email_integrations i set is_default = false where i.is_default;
  end if;
  insert into campaign.email_integrations as i (name, config, rate_limit, max_connections, daily_quota, is_default)
  values (
    v_name,
    jsonb_strip_nulls(jsonb_build_object(
      'host', v_host,
      'port', coalesce(add_integration.port, v_provider.port),
      'username', v_username,
      'password', v_password,
      'from_email', v_from_email,
      'from_name', add_integration.from_name,
      'reply_to', add_integration.reply_to)),
    v_provider.rate_limit,
    v_provider.max_connections,
    v_provider.daily_quota,
    v_is_default)
  returning i.* into v_integration;

  perform campaign._notice(format('integration %s added: %s:%s, from %s, %s%s',
    v_name,
    v_host,
    v_integration.config ->> 'port',
    v_from_email,
    coalesce(
      'at most ' || nullif(concat_ws(', ',
        trim_scale(v_integration.rate_limit) || ' mails a second',
        case when v_integration.max_connections is not null then campaign._counted(v_integration.max_connections, 'connection') end,
        case when v_integration.daily_quota is not null then campaign._counted(v_integration.daily_quota, 'mail') || ' in 24 hours' end), ''),
      'no limits'),
    case
      when not v_is_default then ''
      when v_default_before is null then '; it is the default'
      else format('; it is the default, in place of %s', v_default_before) end));
  if v_password !~ '^(env|file):' then
    raise notice 'the password is readable in the database and in its dumps'
    using hint = 'With env:NAME or file:/PATH the runner reads it on its own host.';
  end if;
  perform campaign._notice(format('see whether it works: select campaign.test_integration(%L)', v_name));

  v_integration.config := v_integration.config - 'password';
  return v_integration;
end
$$;

comment on function campaign.add_integration(text, text, text, text, text, text, integer, text, text, boolean) is
'Adds a relay from what is known of its provider: improvmx, gmail, sendgrid, ses, smtp (any relay), or a row of smtp_providers of your own. username, password: the login; password may be env:NAME or file:/PATH, read by the runner. from_email: default the username. name: default the provider''s. host, port: instead of the provider''s. is_default: whether campaigns that name no relay go over it; default: if none is yet. Returns the row without the password. CP008: a value cannot be, is missing, or the name is taken.';
