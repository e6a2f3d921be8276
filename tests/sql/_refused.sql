-- Passes if the statement fails with this SQLSTATE, and its message, DETAIL and HINT together hold each of these texts.
create function refused(p_statement text, p_sqlstate text, p_says text[], p_description text) returns text language plpgsql as $$
declare
  v_message text;
  v_detail text;
  v_hint text;
  v_all text;
begin
  execute p_statement;
  return fail(p_description) || E'\n' || diag('the statement was not refused');
exception when others then
  get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail, v_hint = pg_exception_hint;
  v_all := concat_ws(' | ', sqlstate, v_message, v_detail, v_hint);
  if sqlstate = p_sqlstate and not exists (select from unnest(p_says) s where strpos(v_all, s) = 0) then
    return pass(p_description);
  end if;
  return fail(p_description) || E'\n' || diag(v_all);
end
$$;
