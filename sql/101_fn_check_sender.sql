-- What an integration's config and a campaign's have in common: who the mail says it is from. Raises CP008.
create function campaign._check_sender(p_config jsonb)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_header record;
  v_fault text;
begin
  if coalesce(jsonb_typeof(p_config -> 'from_name'), 'null') not in ('string', 'null')
    or coalesce(length(p_config ->> 'from_name') not between 1 and 200 or p_config ->> 'from_name' ~ '[[:cntrl:]]', false)
  then
    raise exception using
      errcode = 'CP008',
      message = format('from_name cannot be %s', left((p_config -> 'from_name')::text, 80)),
      detail = 'from_name is what mail programs show as the sender: one line of 1 to 200 characters.',
      hint = 'Write it as "from_name": "OpenClaw Meetups".';
  end if;

  if coalesce(jsonb_typeof(p_config -> 'reply_to'), 'null') not in ('string', 'null')
    or (p_config ->> 'reply_to' is not null and campaign._fold_address(p_config ->> 'reply_to') is null)
  then
    raise exception using
      errcode = 'CP008',
      message = format('reply_to cannot be %s', left((p_config -> 'reply_to')::text, 80)),
      detail = 'reply_to is the address to which answers go (RFC 5322 section 3.6.2): one address without a name.',
      hint = 'Write it as "reply_to": "team@example.com".';
  end if;

  if coalesce(jsonb_typeof(p_config -> 'headers'), 'null') not in ('object', 'null') then
    raise exception using
      errcode = 'CP008',
      message = 'headers is not an object',
      detail = 'headers holds header fields by name (RFC 5322 section 3.6.8).',
      hint = 'Write it as "headers": {"X-Campaign": "spring"}.';
  end if;
  for v_header in
    select h.key, h.value, lower(h.key) as folded
    from jsonb_each(nullif(p_config -> 'headers', 'null')) h
    order by h.key
  loop
    v_fault := case
      when jsonb_typeof(v_header.value) <> 'string' then 'its value is not a string'
      when 1 < (select count(*) from jsonb_object_keys(p_config -> 'headers') k where lower(k) = v_header.folded) then 'it is there twice'
      else campaign._check_header(v_header.key, v_header.value #>> '{}') end;
    if v_fault is not null then
      raise exception using
        errcode = 'CP008',
        message = format('header %s: %s', left(to_jsonb(v_header.key)::text, 80), v_fault),
        detail = 'A header field has a name of printable ASCII without a colon, and a value of one line; pg_campaign writes those of address, date, id and MIME itself.',
        hint = 'Write it as "headers": {"X-Campaign": "spring"}; from_name and reply_to have keys of their own.';
    end if;
  end loop;
end
$$;
