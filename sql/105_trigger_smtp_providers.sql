-- A shipped row is not in a dump: a change of it would be lost by a restore.
create function campaign._check_provider()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fault text;
begin
  if tg_op <> 'INSERT' and old.builtin then
    raise exception using
      errcode = 'CP008',
      message = format('provider %s is shipped with pg_campaign: it cannot be changed or deleted', old.name),
      detail = 'The next version may ship another, and dumps have none of them.',
      hint = format('Add a row of your own, e.g.: insert into campaign.smtp_providers (name, title, host, port, rate_limit) select ''mine'', title, host, port, 10 from campaign.smtp_providers where name = %L.', old.name);
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;

  v_fault := case
    when new.builtin then 'builtin is for the providers shipped with pg_campaign'
    when coalesce(btrim(new.name), '') = '' then 'it has no name'
    when new.name <> lower(new.name) then 'its name is not in lower case'
    when coalesce(btrim(new.title), '') = '' then 'it has no title'
    when btrim(new.host) = '' then 'its host is empty'
    when not coalesce(new.port between 1 and 65535, false) then format('port cannot be %s', coalesce(new.port::text, 'null'))
    when not coalesce(new.rate_limit between 0.001 and 1000000, true) then format('rate_limit cannot be %s', new.rate_limit)
    when not coalesce(new.max_connections between 1 and 1000, true) then format('max_connections cannot be %s', new.max_connections)
    when not coalesce(new.daily_quota > 0, true) then format('daily_quota cannot be %s', new.daily_quota) end;
  if v_fault is not null then
    raise exception using
      errcode = 'CP008',
      message = format('provider %s: %s', coalesce(new.name, '(null)'), v_fault),
      detail = 'port is from 1 to 65535; rate_limit is mails a second, from 0.001 to 1000000; max_connections, from 1 to 1000; daily_quota is mails in 24 hours, from 1; null is no limit.',
      hint = 'For example: insert into campaign.smtp_providers (name, title, host, rate_limit) values (''mine'', ''Mine'', ''smtp.example.com'', 10).';
  end if;
  return new;
end
$$;

create trigger provider_is_valid
before insert or update or delete on campaign.smtp_providers
for each row execute function campaign._check_provider();
