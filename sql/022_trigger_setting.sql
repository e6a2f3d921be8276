-- A runner must have fenced itself before anybody may call it dead. Deleting a row brings its default back, which may not
-- fit the others.
create function campaign._check_setting()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_heartbeat interval;
  v_fence interval;
  v_stale interval;
begin
  if new.name = 'clock' then
    perform new.value::timestamptz;
  elsif new.name = 'event_check' then
    if to_regprocedure(new.value || '(uuid)') is null then
      raise exception using
        errcode = 'CP008',
        message = format('there is no function %s(uuid)', new.value),
        detail = 'event_check names a function that takes an event id and tells whether the event exists.',
        hint = 'Create the function first, and write its name with its schema.';
    end if;
  elsif new.name = 'public_url' then
    -- It goes into addresses in HTML and into a header as it is, so it has none of their special characters.
    if length(new.value) > 200
      or new.value !~ '^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%-]+)*$'
    then
      raise exception using
        errcode = 'CP008',
        message = format('public_url cannot be %L', left(new.value, 200)),
        detail = 'It is where every link in a mail begins: https, a host, perhaps a port and a path; at most 200 characters, no query, no slash at the end.',
        hint = 'Write it like https://mail.example.com, which must lead to campaign-runner serve.';
    elsif new.value ~ '^http:' and new.value !~ '^http://(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:|/|$)' then
      raise exception using
        errcode = 'CP008',
        message = format('public_url cannot be %L: it is not https', new.value),
        detail = 'Mail programs unsubscribe by https only (RFC 8058), and others on the way could read and change what readers do.',
        hint = 'Write https://…. http is for this machine alone: http://127.0.0.1:8080.';
    end if;
  elsif new.name = 'reader_details' then
    if new.value not in ('reduced', 'full') then
      raise exception using
        errcode = 'CP008',
        message = format('reader_details cannot be %L', new.value),
        detail = 'It says what is kept of whoever opens a mail or follows a link in it.',
        hint = 'Write reduced (family of the user agent, address cut to /24 or /48) or full (also both as they came).';
    end if;
  else
    perform new.value::interval;
  end if;

  v_heartbeat := campaign._setting_interval('heartbeat_every');
  v_fence := campaign._setting_interval('fence_after');
  v_stale := campaign._setting_interval('stale_after');
  if not (interval '0' < v_heartbeat and v_heartbeat < v_fence and v_fence < v_stale) then
    raise exception using
      errcode = 'CP008',
      message = format('0 < heartbeat_every (%s) < fence_after (%s) < stale_after (%s) does not hold', v_heartbeat, v_fence, v_stale),
      detail = 'A runner stops sending at fence_after, before others take its work over at stale_after.',
      hint = 'Change the settings in an order that keeps the inequality, e.g. stale_after first when all grow.';
  end if;
  return null;
exception
  when invalid_datetime_format or datetime_field_overflow or interval_field_overflow or invalid_name or invalid_text_representation or syntax_error or feature_not_supported then
    raise exception using
      errcode = 'CP008',
      message = format('%s cannot be %L', new.name, new.value),
      detail = sqlerrm,
      hint = case new.name
        when 'clock' then 'Write a timestamp, e.g. 2026-02-26 18:00+00.'
        when 'event_check' then 'Write the name of a function with its schema, e.g. public.event_exists.'
        else 'Write an interval, e.g. 30 s.' end;
end
$$;

create trigger setting_is_valid
after insert or update or delete on campaign.setting
for each row execute function campaign._check_setting();
