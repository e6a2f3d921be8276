create function campaign._api_unsuppress(p_email text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from campaign.suppressions s where s.email = coalesce(campaign._fold_address(p_email), p_email);
  if not found then
    raise exception using
      errcode = 'CP014',
      message = 'this address is not suppressed',
      detail = 'It may be mailed.',
      hint = 'GET /api/suppressions lists the addresses that are.';
  end if;
end
$$;
