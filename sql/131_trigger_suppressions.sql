create function campaign._fold_suppression()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_email text := campaign._fold_address(new.email);
begin
  if v_email is null then
    raise exception using
      errcode = 'CP008',
      message = 'this is not an address that could be mailed',
      detail = 'Suppressions are compared with the addresses of recipients.',
      hint = 'Write one address without a name, e.g. ada@example.com.';
  end if;
  new.email := v_email;
  return new;
end
$$;

create trigger suppression_is_folded
before insert or update on campaign.suppressions
for each row execute function campaign._fold_suppression();
