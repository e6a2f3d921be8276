-- created: by this call. What was there stays as it is.
create function campaign._api_suppress(p_email text, p_reason text)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_created boolean;
begin
  insert into campaign.suppressions (email, reason) values (p_email, coalesce(p_reason, 'manual')) on conflict do nothing;
  v_created := found;
  return (
    select jsonb_build_object('created', v_created, 'suppression', to_jsonb(s))
    from campaign.suppressions s
    where s.email = campaign._fold_address(p_email));
end
$$;
