-- Raises CP005 unless there is such an event, as far as anybody can tell.
-- SECURITY DEFINER: who may write the setting must not borrow the rights of who starts campaigns.
create function campaign._check_event(p_event_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_check text := (select s.value from campaign.setting s where s.name = 'event_check');
  v_exists boolean;
begin
  if p_event_id is not null and v_check is not null then
    if to_regprocedure(v_check || '(uuid)') is null then
      raise exception using
        errcode = 'CP005',
        message = format('whether there is an event %s cannot be asked: there is no function %s(uuid)', p_event_id, v_check),
        detail = 'The setting event_check names the function that tells whether an event exists.',
        hint = 'Create the function, or delete the row event_check of campaign.setting.';
    end if;
    execute format('select %s($1)', to_regprocedure(v_check || '(uuid)')::regproc) into v_exists using p_event_id;
    if not coalesce(v_exists, false) then
      raise exception using
        errcode = 'CP005',
        message = format('there is no event %s', p_event_id),
        detail = format('%s(uuid) says so.', v_check),
        hint = 'Give the id of an event, as the application stores it.';
    end if;
  end if;
end
$$;
