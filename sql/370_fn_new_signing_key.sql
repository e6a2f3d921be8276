-- gen_random_uuid is PostgreSQL's strong random; each has 122 bits of it.
create function campaign._new_signing_key()
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into campaign.signing_key (secret)
  select sha256(string_agg(uuid_send(gen_random_uuid()), '')) from generate_series(1, 4)
  returning key_id
$$;
