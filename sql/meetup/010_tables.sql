-- The tables of the application. Where they exist already they stay as they are.
create table if not exists public.attendees (
  id serial primary key,
  name text not null,
  first_name text,
  last_name text,
  email text not null,
  status text not null default 'approved',
  checked_in boolean not null default false,
  email_sent boolean not null default false,
  email_sent_at timestamptz,
  email_type text,
  registered_at timestamptz not null default now(),
  constraint attendee_status_is_known check (status in ('approved', 'waitlist', 'declined')),
  constraint email_type_is_known check (email_type in ('checked-in', 'no-show', 'waitlist')),
  constraint sent_email_has_a_time check (not email_sent or email_sent_at is not null)
);

create table if not exists public.events (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  date timestamptz not null,
  location text,
  status text not null default 'draft',
  capacity integer,
  constraint event_status_is_known check (status in ('draft', 'published', 'completed')),
  constraint capacity_is_positive check (capacity > 0)
);

-- The unique constraint is also the index that finds the attendees of an event.
create table if not exists public.event_attendees (
  id uuid primary key default gen_random_uuid(),
  event_id uuid not null references public.events (id) on delete cascade,
  attendee_id integer not null references public.attendees (id) on delete cascade,
  status text not null default 'approved',
  checked_in boolean not null default false,
  registered_at timestamptz not null default now(),
  constraint attendee_is_at_an_event_once unique (event_id, attendee_id),
  constraint event_attendee_status_is_known check (status in ('approved', 'waitlist', 'declined'))
);

create index if not exists event_attendees_attendee_id on public.event_attendees (attendee_id);

-- A campaign reads its audience with the rights of whoever starts it.
grant select on public.attendees, public.events, public.event_attendees to campaign_admin, campaign_operator;
