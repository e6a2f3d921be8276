-- Everybody whom a segment names, in its order (ord): first those who are mailed, then those who are left out, and why (reason). broken: vars
-- that no mail can carry; lacking: variables that the template reads and that have no value. Read with the caller's rights. Raises CP010.
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
        select r.ord, r.recipient_key, btrim(r.email) as email, coalesce(r.vars, '{}') as vars
        from campaign._read_audience(p_query, p_event_id, p_keys) with ordinality r (recipient_key, email, vars, ord)
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
            select k.hash from (select hashtextextended(m.recipient_key, 0) as hash from named m order by 1 offset 0) k group by k.hash having count(*) > 1)
          or hashtextextended(n.folded, 0) in (
            select k.hash from (select hashtextextended(m.folded, 0) as hash from named m order by 1 offset 0) k group by k.hash having count(*) > 1)
      ) a
    ),
    left_out as materialized (
      select a.ord, a.recipient_key, a.email, a.vars, a.reason
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
        offset 0 -- else the reason is worked out twice
      ) a
      where a.reason in ('invalid', 'duplicate', 'suppressed', 'already_mailed') -- that there is one would be expected of nearly all
    )
    select n.ord, n.recipient_key, n.email, n.vars, null,
      not n.plain and (
        jsonb_typeof(n.vars) <> 'object'
        or jsonb_path_exists(n.vars,
          'strict $.* ? (@.type() != "string" && (@.type() == "object" || @.type() == "array" || (@.type() == "number" && (@ > 1e15 || @ < -1e15))))')),
      case when not case when n.plain then n.vars else jsonb_strip_nulls(n.vars) end ?& p_needed
        then array(select v from unnest(p_needed) v where not jsonb_strip_nulls(n.vars) ? v) end
    from (
      select m.*, jsonb_typeof(m.vars) = 'object' and not m.vars @? 'strict $.* ? (@.type() != "string")' as plain
      from named m
      where m.ord not in (select l.ord from left_out l)
      offset 0
    ) n
    union all
    select l.ord, l.recipient_key, l.email, l.vars, l.reason, false, null
    from left_out l;
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
