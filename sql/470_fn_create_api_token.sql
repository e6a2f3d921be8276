create function campaign.create_api_token(name text, role text)
returns table (id uuid, token text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_name text := btrim(create_api_token.name);
  v_token text;
  v_id uuid;
begin
  if not coalesce(v_name ~ '^[^[:cntrl:]]{1,100}$', false) then
    raise exception using
      errcode = 'CP008',
      message = 'an API token needs a name',
      detail = 'What is done with it is recorded under its name: 1 to 100 printable characters.',
      hint = 'Name who will use it, e.g. create_api_token(''dashboard'', ''operator'').';
  end if;
  if not coalesce(create_api_token.role in ('reader', 'operator', 'admin'), false) then
    raise exception using
      errcode = 'CP008',
      message = format('an API token cannot have the role %L', create_api_token.role),
      detail = 'reader sees campaigns; operator starts, pauses and cancels them; admin also keeps templates and suppressions.',
      hint = 'Write reader, operator or admin.';
  end if;
  -- Two at once: the second waits, and then sees the first.
  perform pg_advisory_xact_lock(hashtextextended('campaign api token ' || v_name, 0));
  if exists (select from campaign.api_token t where t.name = v_name and t.revoked_at is null) then
    raise exception using
      errcode = 'CP011',
      message = format('there is an API token %s already', v_name),
      detail = 'A name stands for one token, so that it can be told who did what.',
      hint = format('Choose another name, or revoke_api_token(%L) first.', v_name);
  end if;

  -- A uuid has 122 random bits.
  v_token := 'pgc_' || rtrim(translate(encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '+/', '-_'), '=');
  insert into campaign.api_token as t (name, role, token_hash)
  values (v_name, create_api_token.role, sha256(convert_to(v_token, 'UTF8')))
  returning t.id into v_id;
  perform campaign._notice(format('API token %s has the rights of campaign_%s; it is shown now and never again', v_name, create_api_token.role));
  return query select v_id, v_token;
end
$$;

comment on function campaign.create_api_token(text, text) is
'Lets somebody use the API of campaign-runner serve, as header Authorization: Bearer TOKEN. name: who; what is done with the token is recorded under it. role: reader, operator or admin. Returns the token, which is shown this once: only its hash is kept. CP008: no such role, no name. CP011: there is a token of this name.';
