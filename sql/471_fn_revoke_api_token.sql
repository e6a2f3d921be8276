create function campaign.revoke_api_token(name text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_name text := btrim(revoke_api_token.name);
begin
  update campaign.api_token t
  set revoked_at = campaign.now()
  where t.name = v_name and t.revoked_at is null;
  if found then
    perform pg_notify('campaign_progress', '');
    perform campaign._notice(format('API token %s is refused from now on', v_name));
    return;
  end if;
  if exists (select from campaign.api_token t where t.name = v_name) then
    perform campaign._notice(format('API token %s was revoked before', v_name));
    return;
  end if;
  raise exception using
    errcode = 'CP008',
    message = format('there is no API token %L', v_name),
    detail = 'A token is named as it was in create_api_token.',
    hint = coalesce(
      (select 'There are: ' || string_agg(l.name, ', ' order by l.name) || '.'
       from (select t.name from campaign.api_token t where t.revoked_at is null order by t.created_at desc limit 10) l),
      'There is none: select campaign.create_api_token(''…'', ''operator'').');
end
$$;

comment on function campaign.revoke_api_token(text) is
'Refuses a token of create_api_token from now on, also where a stream of it is open. Twice is as good as once. CP008: no such token.';
