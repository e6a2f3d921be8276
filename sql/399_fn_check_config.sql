-- Returns the config with its defaults filled in, or raises CP008. The default of concurrency is the integration's: see _check_start.
create function campaign._check_config(p_config jsonb)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit record;
  v_value jsonb;
  v_config jsonb := jsonb_build_object('chunk_size', 500, 'max_retries', 3, 'rate_limit', null, 'time_limit', '24 hours');
  v_time_limit interval;
  v_key text;
begin
  if jsonb_typeof(coalesce(p_config, '{}')) <> 'object' then
    raise exception using
      errcode = 'CP008',
      message = 'config is not an object',
      detail = 'It holds the settings of one campaign by name.',
      hint = 'Write it as {"concurrency": 3, "chunk_size": 500, "max_retries": 3, "rate_limit": 5}; each key may be left out.';
  end if;

  select k into v_key
  from jsonb_object_keys(p_config) k
  where k not in ('concurrency', 'chunk_size', 'max_retries', 'rate_limit', 'time_limit', 'from_name', 'reply_to', 'headers')
  limit 1;
  if found then
    raise exception using
      errcode = 'CP008',
      message = format('config has no key %L', v_key),
      detail = 'The keys are concurrency, chunk_size, max_retries, rate_limit, time_limit, from_name, reply_to, headers.',
      hint = 'Leave it out, or write the key that was meant.';
  end if;

  for v_limit in
    select *
    from (values
      ('concurrency', 1, 100, true, 'connections of one runner for the job'),
      ('chunk_size', 1, 10000, true, 'recipients in a unit of work'),
      ('max_retries', 1, 20, true, 'attempts in all when the relay does not answer'),
      ('rate_limit', 0.001, 1000000, false, 'mails a second')) as l (key, low, high, whole, meaning)
  loop
    v_value := nullif(p_config -> v_limit.key, 'null');
    if v_value is not null and (
      jsonb_typeof(v_value) <> 'number'
      or not (v_value #>> '{}')::numeric between v_limit.low and v_limit.high
      or (v_limit.whole and (v_value #>> '{}')::numeric % 1 <> 0)
    ) then
      raise exception using
        errcode = 'CP008',
        message = format('config: %s cannot be %s', v_limit.key, v_value),
        detail = format('%s: %s.', v_limit.key, v_limit.meaning),
        hint = format('Write a %s from %s to %s.', case when v_limit.whole then 'whole number' else 'number' end, v_limit.low, v_limit.high);
    elsif v_value is not null then
      -- 3.0 is a whole number too, and is kept as 3.
      v_config := v_config || jsonb_build_object(v_limit.key, trim_scale((v_value #>> '{}')::numeric));
    end if;
  end loop;

  if coalesce(jsonb_typeof(p_config -> 'time_limit'), 'null') <> 'null' then
    begin
      v_time_limit := case when jsonb_typeof(p_config -> 'time_limit') = 'string' then (p_config ->> 'time_limit')::interval end;
    exception when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
      v_time_limit := null;
    end;
    if not coalesce(v_time_limit between interval '1 min' and interval '7 days', false) then
      raise exception using
        errcode = 'CP008',
        message = format('config: time_limit cannot be %s', left((p_config -> 'time_limit')::text, 80)),
        detail = 'time_limit: how long a recipient is tried again whom the relay refuses for now.',
        hint = 'Write an interval from 1 minute to 7 days, as in "time_limit": "24 hours".';
    end if;
    v_config := v_config || jsonb_build_object('time_limit', p_config ->> 'time_limit');
  end if;

  perform campaign._check_sender(p_config);
  return v_config || (
    select coalesce(jsonb_object_agg(e.key, e.value), '{}')
    from jsonb_each(jsonb_strip_nulls(p_config)) e
    where e.key in ('from_name', 'reply_to', 'headers'));
end
$$;
