-- Only who registered with this incarnation of the database, or has told it what it did, may go on.
create function campaign._check_runner(p_runner_id uuid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from campaign.runner r where r.runner_id = p_runner_id and r.incarnation = campaign._incarnation()) then
    raise exception using
      errcode = 'CP020',
      message = 'this runner is not registered',
      detail = format('Runner %s was unregistered, or silent for over a day, or it worked with another incarnation of the database: this one is a promoted standby, a restored dump or a clone.', p_runner_id),
      hint = 'The runner replays what it did, and is registered again by that.';
  end if;
end
$$;
