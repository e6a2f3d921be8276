-- Whose the token is; no row for any that does not hold, whatever the reason. Found by its hash, so comparing takes as long
-- for a token that is nearly right as for any other.
create function campaign._token_owner(p_token text)
returns table (name text, role text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select t.name, t.role
  from campaign.api_token t
  where t.token_hash = sha256(convert_to(p_token, 'UTF8')) and t.revoked_at is null
$$;
