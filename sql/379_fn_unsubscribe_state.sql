create function campaign.unsubscribe_state(token text)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return (
    select case when exists (
        select from campaign.suppressions s where s.email = campaign._fold_address(r.email) and s.reason in ('unsubscribe', 'complaint'))
      then 'unsubscribed' else 'subscribed' end
    from campaign._genuine_token(unsubscribe_state.token) t
    join campaign.recipient r on r.job_no = t.job_no and r.pos = t.pos
    where t.kind = 'unsubscribe');
end
$$;

comment on function campaign.unsubscribe_state(text) is
'What to show whoever comes by an unsubscribe link: unsubscribed (or complained), or subscribed: also whose address is suppressed for another reason, and who may still unsubscribe. Changes nothing. Null: no genuine token of an unsubscribe link.';
