create function campaign.now()
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select s.value::timestamptz from campaign.setting s where s.name = 'clock'), clock_timestamp());
end
$$;

comment on function campaign.now() is
'The time by which campaigns run: the clock of the database, or the moment at which the setting "clock" holds it.';
