create function campaign.rotate_signing_key()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key_id integer := campaign._new_signing_key();
begin
  perform campaign._notice(format('key %s signs the links of campaigns that start from now on; links that are out keep working', v_key_id));
  return v_key_id;
end
$$;

comment on function campaign.rotate_signing_key() is
'Makes a new key that signs the links of campaigns from now on, and returns its number. Campaigns under way keep theirs, and every link keeps working. If a key is known to others, rotate, and retire it as well: until then they can forge links of all its campaigns. update campaign.signing_key set retired_at = campaign.now() where key_id = …; its links are dead from then on, the one to unsubscribe included, so it is refused (CP011) while a campaign of that key has not ended.';
