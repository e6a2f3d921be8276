-- The address of a reader as the setting reader_details lets it be kept; null where it is none.
create function campaign._reader_address(p_address text, p_full boolean)
returns inet
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_address inet;
begin
  v_address := p_address::inet;
  -- IPv4 as a socket for both writes it.
  if v_address << inet '::ffff:0.0.0.0/96' then
    v_address := inet '0.0.0.0' + (v_address - inet '::ffff:0.0.0.0');
  end if;
  return case
    when p_full then v_address
    else network(set_masklen(v_address, least(masklen(v_address), case family(v_address) when 4 then 24 else 48 end))) end;
exception when invalid_text_representation then
  return null;
end
$$;
