-- Runs a segment's query with the caller's rights, and read-only for as long as it runs. The rows are kept before the setting
-- is put back, so the INSERT around it may write.
create function campaign._read_audience(p_query text, p_event_id uuid, p_keys text[])
returns table (recipient_key text, email text, vars jsonb)
language plpgsql
volatile
rows 100000
set search_path = pg_catalog, pg_temp
set transaction_read_only = on
as $$
declare
  v_statement text := campaign._audience_statement(p_query);
  v_one_statement refcursor;
begin
  -- A cursor takes one statement only; EXECUTE would take several.
  open v_one_statement for execute v_statement using p_event_id, p_keys;
  close v_one_statement;
  return query execute v_statement using p_event_id, p_keys;
end
$$;
