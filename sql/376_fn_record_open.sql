create function campaign.record_open(token text, user_agent text default null, address inet default null)
returns boolean
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select campaign.record_events(jsonb_build_array(jsonb_build_object(
    'kind', 'open', 'token', record_open.token, 'user_agent', record_open.user_agent, 'address', record_open.address))) = 1
$$;

comment on function campaign.record_open(text, text, inet) is
'Records that a mail was opened: for a web server of your own that serves the pixel at public_url/api/track/open?t=…. Answer every request alike, whatever it returns. user_agent, address: of the reader. False: no genuine token of an open, nothing was recorded.';
