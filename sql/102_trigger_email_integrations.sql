-- The table's CHECKs hold whatever happens; this says it in words.
create function campaign._check_integration()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_keys constant text[] := array['host', 'port', 'tls', 'secure', 'ca_file', 'address_family', 'username', 'password', 'from_email', 'from_name', 'reply_to',
    'headers', 'messages_per_connection', 'connection_age', 'pipelining', 'timeouts'];
  c_timeouts constant text[] := array['connect', 'greeting', 'command', 'body', 'dot'];
  v_config jsonb := case jsonb_typeof(new.config) when 'object' then new.config else '{}' end;
  v_timeouts jsonb := case jsonb_typeof(v_config -> 'timeouts') when 'object' then v_config -> 'timeouts' else '{}' end;
  v_key text;
  v_text text;
  v_number text;
  v_timeout text;
  v_timeout_key text;
  v_fault text;
begin
  select k into v_key from jsonb_object_keys(v_config) k where not k = any (c_keys) limit 1;
  select k into v_timeout_key from jsonb_object_keys(v_timeouts) k where not k = any (c_timeouts) limit 1;
  select t.key into v_text
  from jsonb_each(v_config) t
  where t.key in ('tls', 'ca_file', 'address_family', 'username', 'password', 'pipelining') and jsonb_typeof(t.value) not in ('string', 'null')
  limit 1;
  select format('%s cannot be %s: it is a whole number from 1 to %s', n.key, left((v_config -> n.key)::text, 80), n.high) into v_number
  from (values ('messages_per_connection', 10000), ('connection_age', 86400)) as n (key, high)
  where not case coalesce(jsonb_typeof(v_config -> n.key), 'null')
    when 'number' then (v_config ->> n.key)::numeric between 1 and n.high and (v_config ->> n.key)::numeric % 1 = 0
    when 'null' then true
    else false end
  limit 1;
  select format('timeouts: %s cannot be %s: it is a number of seconds from 0.01 to 600', t.key, left(t.value::text, 80)) into v_timeout
  from jsonb_each(v_timeouts) t
  where not case jsonb_typeof(t.value)
    when 'number' then (t.value #>> '{}')::numeric between 0.01 and 600
    when 'null' then true
    else false end
  limit 1;

  v_fault := case
    when coalesce(btrim(new.name), '') = '' then 'it has no name'
    when new.type is distinct from 'smtp' then 'its type is not smtp'
    when jsonb_typeof(new.config) is distinct from 'object' then 'config is not an object'
    when v_key is not null then format('config has no key %L', v_key)
    when coalesce(jsonb_typeof(v_config -> 'host') <> 'string', true) or btrim(v_config ->> 'host') = '' then 'config names no host'
    when '' in (v_config ->> 'username', v_config ->> 'password') then 'username or password is empty; leave both out if the relay takes no login'
    when not coalesce(case when jsonb_typeof(v_config -> 'port') = 'number'
      then (v_config ->> 'port')::numeric between 1 and 65535 and (v_config ->> 'port')::numeric % 1 = 0 end, false)
      then 'config names no port from 1 to 65535'
    when campaign._fold_address(v_config ->> 'from_email') is null then 'from_email is no address that could be mailed'
    when coalesce(jsonb_typeof(v_config -> 'secure'), 'null') not in ('boolean', 'null') then 'secure is neither true nor false'
    when v_text is not null then format('%s is not a string', v_text)
    when v_config ->> 'tls' not in ('auto', 'none', 'starttls', 'implicit') then 'tls is none of auto, none, starttls, implicit'
    when v_config ->> 'address_family' not in ('ipv4', 'auto') then 'address_family is neither ipv4 nor auto'
    when v_config ->> 'pipelining' not in ('off', 'commands', 'messages') then 'pipelining is none of off, commands, messages'
    when v_config ->> 'ca_file' !~ '^/[^[:cntrl:]]+$' then 'ca_file is no absolute path of a file on the runner''s host'
    when v_config ->> 'password' like 'env:%' and v_config ->> 'password' !~ '^env:[A-Za-z_][A-Za-z0-9_]*$' then 'password names no environment variable after env:'
    when v_config ->> 'password' like 'file:%' and v_config ->> 'password' !~ '^file:/[^[:cntrl:]]+$' then 'password names no absolute path after file:'
    when v_number is not null then v_number
    when coalesce(jsonb_typeof(v_config -> 'timeouts'), 'null') not in ('object', 'null') then 'timeouts is not an object'
    when v_timeout_key is not null then format('timeouts has no key %L', v_timeout_key)
    when v_timeout is not null then v_timeout
    when not coalesce(new.rate_limit between 0.001 and 1000000, true) then format('rate_limit cannot be %s', new.rate_limit)
    when not coalesce(new.max_connections between 1 and 1000, true) then format('max_connections cannot be %s', new.max_connections)
    when not coalesce(new.daily_quota > 0, true) then format('daily_quota cannot be %s', new.daily_quota) end;
  if v_fault is not null then
    raise exception using
      errcode = 'CP008',
      message = format('integration %s: %s', coalesce(new.name, '(null)'), v_fault),
      detail = format('The keys of config are %s; those of its timeouts are %s. Beside it: rate_limit is mails a second, from 0.001 to 1000000; max_connections, from 1 to 1000; daily_quota is mails in 24 hours, from 1; null is no limit.',
        array_to_string(c_keys, ', '), array_to_string(c_timeouts, ', ')),
      hint = 'For example: insert into campaign.email_integrations (name, config, rate_limit, is_default) values (''relay'', ''{"host": "smtp.example.com", "port": 587, "from_email": "hello@example.com"}'', 5, true).';
  end if;
  perform campaign._check_sender(new.config);
  return new;
end
$$;

create trigger integration_is_valid
before insert or update on campaign.email_integrations
for each row execute function campaign._check_integration();
