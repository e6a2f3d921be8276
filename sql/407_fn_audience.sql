-- Everybody whom a segment names, in its order; reason: why somebody is left out, else null. broken: vars that no mail can carry;
-- lacking: variables that the template reads and that have no value. Read with the caller's rights. Raises CP010.
create function campaign._audience(
  p_segment text,
  p_query text,
  p_event_id uuid,
  p_keys text[],
  p_needed text[],
  p_dedupe_key text,
  p_allow_repeat boolean,
  p_job_no bigint
)
returns table (ord bigint, recipient_key text, email text, vars jsonb, reason text, broken boolean, lacking text[])
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_message text;
  v_detail text;
begin
  return query
    with mailed as materialized (
      select m.recipient_key, m.folded
      from campaign._mailed_already(p_dedupe_key, p_job_no) m
      where not coalesce(p_allow_repeat, false)
    ),
    named as materialized (
      select q.*, campaign._fold_address(q.email) as folded
      from (
        select r.recipient_key, btrim(r.email) as email, coalesce(r.vars, '{}') as vars, row_number() over () as ord
        from campaign._read_audience(p_query, p_event_id, p_keys) r
      ) q
    ),
    -- Few, as a rule: so not all rows are sorted, with all that is in them. Equal hashes only say where to look; they are sorted, which
    -- takes less time than a hash table that does not fit into work_mem.
    repeated as materialized (
      select a.ord, a.nth_by_key, row_number() over (partition by a.folded, a.recipient_key is null, a.nth_by_key > 1 order by a.ord) as nth_by_address
      from (
        -- First by key, then by address: a row that is left out takes nobody's place.
        select n.ord, n.recipient_key, n.folded, row_number() over (partition by n.recipient_key, n.folded is null order by n.ord) as nth_by_key
        from named n
        where hashtextextended(n.recipient_key, 0) in (
            select s.hash
            from (select k.hash, lag(k.hash) over (order by k.hash) as before from (select hashtextextended(m.recipient_key, 0) as hash from named m) k) s
            where s.hash = s.before)
          or hashtextextended(n.folded, 0) in (
            select s.hash
            from (select k.hash, lag(k.hash) over (order by k.hash) as before from (select hashtextextended(m.folded, 0) as hash from named m) k) s
            where s.hash = s.before)
      ) a
    )
    select a.ord, a.recipient_key, a.email, a.vars, a.reason,
      a.reason is null and (
        jsonb_typeof(a.vars) <> 'object'
        or jsonb_path_exists(a.vars,
          'strict $.* ? (@.type() != "string" && (@.type() == "object" || @.type() == "array" || (@.type() == "number" && (@ > 1e15 || @ < -1e15))))')),
      case when a.reason is null and not jsonb_strip_nulls(a.vars) ?& p_needed
        then array(select n from unnest(p_needed) n where not jsonb_strip_nulls(a.vars) ? n) end
    from (
      select n.*,
        case
          when n.folded is null or n.recipient_key is null then 'invalid'
          when n.ord in (select d.ord from repeated d where d.nth_by_address > 1 or d.nth_by_key > 1) then 'duplicate'
          when s.email is not null then 'suppressed'
          when n.recipient_key in (select m.recipient_key from mailed m) or n.folded in (select m.folded from mailed m) then 'already_mailed'
        end as reason
      from named n
      left join campaign.suppressions s on s.email = n.folded
      offset 0 -- else the reason is worked out three times
    ) a;
exception
  when syntax_error_or_access_rule_violation or data_exception or cardinality_violation or invalid_schema_name
    or feature_not_supported or invalid_transaction_state or program_limit_exceeded or plpgsql_error
  then
    get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
    raise exception using
      errcode = 'CP010',
      message = format('the audience of segment %L cannot be read: %s', p_segment, v_message),
      detail = coalesce(nullif(v_detail, ''), format('SQLSTATE %s.', sqlstate)),
      hint = 'The query is one SELECT of recipient_key text, email text, vars jsonb; $1 is the event id (uuid), $2 a list of keys (text[]). It runs read-only with your rights, and names tables with their schema.';
end
$$;
