create or replace function public.meetup_event_exists(p_event_id uuid)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select exists (select from public.events e where e.id = p_event_id);
end;

comment on function public.meetup_event_exists(uuid) is
'Whether there is such an event. pg_campaign asks before it starts a campaign for one.';

revoke all on function public.meetup_event_exists(uuid) from public;
grant execute on function public.meetup_event_exists(uuid) to campaign_owner;

insert into campaign.setting (name, value)
values ('event_check', 'public.meetup_event_exists')
on conflict (name) do update set value = excluded.value;
