-- Nothing is read: opening the cursor finds unknown tables and columns. Whoever saves a segment need not be allowed to read its
-- tables. While a dump is loaded (it switches check_function_bodies off) what was saved once is taken as it is.
create function campaign._check_segment()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_cursor refcursor;
  v_message text;
  v_detail text;
begin
  if current_setting('check_function_bodies') = 'off' then
    return new;
  end if;
  begin
    if new.on_sent !~ '^[^();]+$' or (new.on_sent is not null and to_regprocedure(new.on_sent || '(uuid,text,text[])') is null) then
      raise undefined_function;
    end if;
  exception when undefined_function or invalid_name or invalid_text_representation or syntax_error or feature_not_supported then
    raise exception using
      errcode = 'CP008',
      message = format('there is no function %s(uuid, text, text[])', new.on_sent),
      detail = 'on_sent names a function that is called with event id, segment and the keys of accepted mails.',
      hint = 'Create the function first, and write its name with its schema.';
  end;
  begin
    open v_cursor for execute campaign._audience_statement(new.query) using null::uuid, null::text[];
    close v_cursor;
  exception
    when insufficient_privilege then
      null;
    when others then
      get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
      raise exception using
        errcode = 'CP010',
        message = format('the query of segment %L does not work: %s', new.name, v_message),
        detail = coalesce(nullif(v_detail, ''), format('SQLSTATE %s.', sqlstate)),
        hint = 'Write one SELECT of recipient_key text, email text, vars jsonb; $1 is the event id (uuid), $2 a list of keys (text[]). Name tables with their schema.';
  end;
  return new;
end
$$;

create trigger segment_is_valid
before insert or update on campaign.segments
for each row execute function campaign._check_segment();
