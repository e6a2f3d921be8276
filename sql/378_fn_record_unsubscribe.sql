create function campaign.record_unsubscribe(token text, user_agent text default null, address inet default null)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_full boolean := exists (select from campaign.setting s where s.name = 'reader_details' and s.value = 'full');
  v_token record;
begin
  select t.* into v_token from campaign._genuine_token(record_unsubscribe.token) t where t.kind = 'unsubscribe';
  if not found then
    return false;
  end if;
  insert into campaign.suppressions as s (email, reason)
  select r.email, 'unsubscribe'
  from campaign.recipient r
  where r.job_no = v_token.job_no and r.pos = v_token.pos
  on conflict (email) do update set reason = excluded.reason where s.reason in ('bounce', 'manual');
  insert into campaign.tracking_event (job_no, pos, kind, agent, family, address, user_agent, at)
  select v_token.job_no, v_token.pos, 'unsubscribe', a.agent, a.family,
    campaign._reader_address(record_unsubscribe.address::text, v_full),
    case when v_full then left(record_unsubscribe.user_agent, 1000) end,
    campaign.now()
  from campaign._judge_agent(left(record_unsubscribe.user_agent, 1000)) a
  on conflict do nothing;
  return true;
end
$$;

comment on function campaign.record_unsubscribe(text, text, inet) is
'Unsubscribes the recipient of a mail: the address is suppressed, from now on and in running campaigns too (RFC 8058). Call it for a POST only: programs look at every link by GET. As often as you like; it is recorded once. False: no genuine token of an unsubscribe link, nothing was done.';
