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
  if not coalesce(new.reason in ('manual', 'unsubscribe', 'bounce', 'complaint'), false) then
    raise exception using
      errcode = 'CP008',
      message = format('the reason of a suppression cannot be %L', new.reason),
      detail = 'It says why the address gets no mail.',
      hint = 'Write manual, unsubscribe, bounce or complaint; manual is the default.';
  end if;
  new.email := v_email;
  return new;
end
$$;

create trigger suppression_is_folded
before insert or update on campaign.suppressions
for each row execute function campaign._fold_suppression();
