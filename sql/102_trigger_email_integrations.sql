-- The table's CHECKs hold whatever happens; this says it in words.
create function campaign._check_integration()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_keys constant text[] := array['host', 'port', 'secure', 'username', 'password', 'from_email', 'from_name', 'reply_to', 'headers'];
  v_key text;
  v_fault text;
begin
  select k into v_key from jsonb_object_keys(case jsonb_typeof(new.config) when 'object' then new.config else '{}' end) k where not k = any (c_keys) limit 1;
  v_fault := case
    when coalesce(btrim(new.name), '') = '' then 'it has no name'
    when new.type is distinct from 'smtp' then 'its type is not smtp'
    when jsonb_typeof(new.config) is distinct from 'object' then 'config is not an object'
    when v_key is not null then format('config has no key %L', v_key)
    when coalesce(jsonb_typeof(new.config -> 'host') <> 'string', true) or btrim(new.config ->> 'host') = '' then 'config names no host'
    when not coalesce(case when jsonb_typeof(new.config -> 'port') = 'number'
      then (new.config ->> 'port')::numeric between 1 and 65535 and (new.config ->> 'port')::numeric % 1 = 0 end, false)
      then 'config names no port from 1 to 65535'
    when campaign._fold_address(new.config ->> 'from_email') is null then 'from_email is no address that could be mailed'
    when coalesce(jsonb_typeof(new.config -> 'secure'), 'null') not in ('boolean', 'null') then 'secure is neither true nor false'
    when coalesce(jsonb_typeof(new.config -> 'username'), 'null') not in ('string', 'null') then 'username is not a string'
    when coalesce(jsonb_typeof(new.config -> 'password'), 'null') not in ('string', 'null') then 'password is not a string'
    when not coalesce(new.rate_limit between 0.001 and 1000000, true) then format('rate_limit cannot be %s', new.rate_limit) end;
  if v_fault is not null then
    raise exception using
      errcode = 'CP008',
      message = format('integration %s: %s', coalesce(new.name, '(null)'), v_fault),
      detail = format('The keys of config are %s; rate_limit is mails a second, from 0.001 to 1000000, or null for no limit.', array_to_string(c_keys, ', ')),
      hint = 'For example: insert into campaign.email_integrations (name, config, rate_limit, is_default) values (''relay'', ''{"host": "smtp.example.com", "port": 587, "from_email": "hello@example.com"}'', 5, true).';
  end if;
  perform campaign._check_sender(new.config);
  return new;
end
$$;

create trigger integration_is_valid
before insert or update on campaign.email_integrations
for each row execute function campaign._check_integration();
