-- Who acts: the owner of the API token that act_as has seen, else whoever is logged in. Anybody may set campaign.subject; only
-- in the sessions of the server it means something.
create function campaign._subject()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    case when pg_has_role(session_user, 'campaign_server', 'member') then nullif(current_setting('campaign.subject', true), '') end,
    session_user)
$$;
