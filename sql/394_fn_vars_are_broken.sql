-- Whether no mail can carry these vars: as the CHECK of recipient has it, and _audience, which looks at millions.
create function campaign._vars_are_broken(p_vars jsonb)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_typeof(p_vars) <> 'object'
    or jsonb_path_exists(p_vars,
      'strict $.* ? (@.type() != "string" && (@.type() == "object" || @.type() == "array" || (@.type() == "number" && (@ > 1e15 || @ < -1e15))))')
$$;
