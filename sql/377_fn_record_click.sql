create function campaign.record_click(token text, user_agent text default null, address inet default null)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_url text := campaign.click_url(record_click.token);
begin
  if v_url is not null then
    perform campaign.record_events(jsonb_build_array(jsonb_build_object(
      'kind', 'click', 'token', record_click.token, 'link_url', v_url,
      'user_agent', record_click.user_agent, 'address', record_click.address)));
  end if;
  return v_url;
end
$$;

comment on function campaign.record_click(text, text, inet) is
'Records that a link was followed, and returns where it leads: for a web server of your own that answers public_url/api/track/click?t=… with a redirect there. user_agent, address: of the reader. Null: no genuine token of a click, nothing was recorded.';
