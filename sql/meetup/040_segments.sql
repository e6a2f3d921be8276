-- Who belongs to a segment. Who has had the mail already is not left out here but by pg_campaign, which knows it for each
-- campaign and says so: attendees.email_sent only knows that somebody had some mail, at some event.
insert into campaign.segments (name, description, query, on_sent)
values
  ('checked-in', 'Approved attendees of the event who came.', $query$
select a.id::text as recipient_key, a.email,
       jsonb_build_object('name', a.name, 'first_name', coalesce(a.first_name, a.name), 'last_name', coalesce(a.last_name, '')) as vars
from public.event_attendees ea
join public.attendees a on a.id = ea.attendee_id
where ea.event_id = $1::uuid and ea.status = 'approved' and ea.checked_in
order by a.id
$query$, 'public.meetup_on_sent'),
  ('no-show', 'Approved attendees of the event who did not come.', $query$
select a.id::text as recipient_key, a.email,
       jsonb_build_object('name', a.name, 'first_name', coalesce(a.first_name, a.name), 'last_name', coalesce(a.last_name, '')) as vars
from public.event_attendees ea
join public.attendees a on a.id = ea.attendee_id
where ea.event_id = $1::uuid and ea.status = 'approved' and not ea.checked_in
order by a.id
$query$, 'public.meetup_on_sent'),
  ('waitlist', 'Who is on the waitlist of the event.', $query$
select a.id::text as recipient_key, a.email,
       jsonb_build_object('name', a.name, 'first_name', coalesce(a.first_name, a.name), 'last_name', coalesce(a.last_name, '')) as vars
from public.event_attendees ea
join public.attendees a on a.id = ea.attendee_id
where ea.event_id = $1::uuid and ea.status = 'waitlist'
order by a.id
$query$, 'public.meetup_on_sent'),
  ('custom', 'The attendees whose ids are given as keys, whatever their event.', $query$
select a.id::text as recipient_key, a.email,
       jsonb_build_object('name', a.name, 'first_name', coalesce(a.first_name, a.name), 'last_name', coalesce(a.last_name, '')) as vars
from public.attendees a
where a.id::text = any ($2::text[])
order by a.id
$query$, 'public.meetup_on_sent')
on conflict (name) do update
set description = excluded.description, query = excluded.query, on_sent = excluded.on_sent;
