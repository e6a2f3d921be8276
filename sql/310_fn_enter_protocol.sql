-- A SET clause on the function would be undone before the commit; the setting must hold in it.
-- "Lock first, read facts in a later statement" needs a fresh snapshot for each statement.
create function campaign._enter_protocol()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'CP022',
      message = format('isolation level %s is not supported here', current_setting('transaction_isolation')),
      detail = 'Every statement must see what was committed before it, once it has its locks.',
      hint = 'Call it in a transaction of isolation level read committed.';
  end if;
  -- jit: statements here are short and their estimates high: compiling the proof of finish takes a second, running it nothing.
  perform set_config('synchronous_commit', 'on', true), set_config('jit', 'off', true);
end
$$;
