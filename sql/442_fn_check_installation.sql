create function campaign.check_installation(out name text, out holds boolean, out detail text)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_standbys bigint := (select count(*) from pg_stat_replication);
  v_clock text := (select s.value from campaign.setting s where s.name = 'clock');
  v_alive bigint := campaign._runners_alive();
  v_incarnation campaign.incarnation;
  v_public_url text := (select s.value from campaign.setting s where s.name = 'public_url');
begin
  name := 'server';
  holds := not pg_is_in_recovery();
  detail := format('PostgreSQL %s, database %s, as %s%s', current_setting('server_version'), current_database(), session_user,
    case when holds then '' else '; it is a standby, which takes no writes: connect to the primary' end);
  return next;

  name := 'extension';
  holds := true;
  detail := format('pg_campaign %s', (select e.extversion from pg_extension e where e.extname = 'pg_campaign'));
  return next;

  -- What is promised holds over a crash only with these.
  name := 'crash safety';
  holds := current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on';
  detail := format('fsync is %s, full_page_writes is %s%s', current_setting('fsync'), current_setting('full_page_writes'),
    case when holds then '' else '; after a crash mails could be sent twice: switch both on' end);
  return next;

  name := 'failover';
  holds := v_standbys = 0 or current_setting('synchronous_standby_names') <> '';
  detail := case
    when v_standbys = 0 then 'no standby is connected'
    when holds then format('%s connected, synchronous_standby_names is %s', campaign._counted(v_standbys, 'standby'), current_setting('synchronous_standby_names'))
    else format('%s connected, none of them synchronous; a failover could lose outcomes: set synchronous_standby_names',
      campaign._counted(v_standbys, 'standby')) end;
  return next;

  select i.* into v_incarnation from campaign.incarnation i;
  name := 'incarnation';
  holds := not coalesce(v_incarnation.awaits_replay, false);
  detail := case
    when v_incarnation.awaits_replay then format('another one since %s: work waits until the runners have told what they sent', date_trunc('second', v_incarnation.since))
    when v_incarnation.previous is not null then format('%s, since %s; before: %s', v_incarnation.name, date_trunc('second', v_incarnation.since), v_incarnation.previous)
    else coalesce(v_incarnation.name, 'no runner has come yet') end;
  return next;

  name := 'clock';
  holds := v_clock is null;
  detail := case when holds then format('%s', date_trunc('second', campaign.now()))
    else format('it stands still at %s: delete the row clock of campaign.setting', v_clock) end;
  return next;

  name := 'public_url';
  holds := coalesce(v_public_url ~ '^https:', true) or not exists (
    select from campaign.email_integrations i where i.config ->> 'host' !~ '^(127(\.\d{1,3}){3}|localhost|::1)$');
  detail := case
    when v_public_url is null then 'not set: mails have no List-Unsubscribe, and nothing is tracked'
    when v_public_url ~ '^https:' then v_public_url
    else format('%s is not https, and leads nowhere from another machine%s', v_public_url,
      case when holds then '' else ': set it to https://…' end) end;
  return next;

  name := 'runners';
  holds := v_alive > 0 or not exists (
    select from campaign.email_jobs j where j.status in ('pending', 'running', 'partial'));
  detail := case when v_alive > 0 then format('%s alive', campaign._counted(v_alive, 'runner'))
    else 'none is alive; mail waits until there is one: campaign-runner run' end;
  return next;
end
$$;

comment on function campaign.check_installation() is
'Whether the database is set up so that the promises hold and mail can flow: one row for each thing looked at, with what was found. campaign-runner doctor shows it, and tries the integrations too.';
