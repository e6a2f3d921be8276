-- A dropped connection tells nothing of the recipient: 1, 2, 4, 8 s, as the relay that drops at random wants it.
-- A 4xx answer asks for patience: 60 s × 2ⁿ ±25 %, at most 1 h (RFC 5321 4.5.4.1). The jitter comes from the position, so a
-- repeated call gets the same due time.
create function campaign._retry_delay(p_smtp_code integer, p_tries bigint, p_pos bigint)
returns interval
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_smtp_code is null then least(8, 2 ^ (p_tries - 1)) * interval '1 s'
    else least(3600, 60 * 2 ^ (p_tries - 1)) * (0.75 + 0.5 * (hashint8(p_pos) & 1023) / 1023.0) * interval '1 s'
  end
$$;
