-- Not SECURITY DEFINER: such a function may not change the role.
create function campaign.act_as(token text)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner record;
begin
  select o.name, o.role into v_owner from campaign._token_owner(act_as.token) o;
  if not found then
    raise exception using
      errcode = 'CP030',
      message = 'this API token is not valid',
      detail = 'It is unknown, or was revoked.',
      hint = 'Send the header Authorization: Bearer TOKEN with a token of create_api_token.';
  end if;
  perform set_config('campaign.subject', v_owner.name, true);
  perform set_config('role', 'campaign_' || v_owner.role, true);
  return v_owner.name;
end
$$;

comment on function campaign.act_as(text) is
'For campaign-runner serve: until the end of the transaction, the session has the rights of this API token''s role and no others, and acts under the token''s name, which is returned. CP030: the token is not valid.';
