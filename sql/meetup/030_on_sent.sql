create or replace function public.meetup_on_sent(p_event_id uuid, p_segment text, p_recipient_keys text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- A campaign may have been started with a query of its own, whose keys are no ids of attendees.
  v_ids constant bigint[] := array(
    select k.key::bigint
    from unnest(p_recipient_keys) as k (key)
    where k.key ~ '^[0-9]{1,18}$');
begin
  -- In the order of ids, so that two batches with people in common wait for each other and never in a circle.
  perform from public.attendees a where a.id = any (v_ids) order by a.id for no key update;

  -- email_type has no value for a custom audience: what is there stays.
  update public.attendees a
  set email_sent = true,
      email_sent_at = campaign.now(),
      email_type = case when p_segment in ('checked-in', 'no-show', 'waitlist') then p_segment else a.email_type end
  where a.id = any (v_ids);
end
$$;

comment on function public.meetup_on_sent(uuid, text, text[]) is
'Keeps attendees.email_sent, email_sent_at and email_type true: called by pg_campaign with the ids of each batch of accepted mails, in the transaction that records them.';

revoke all on function public.meetup_on_sent(uuid, text, text[]) from public;
grant execute on function public.meetup_on_sent(uuid, text, text[]) to campaign_owner;
