create table campaign.tracking_event (
  event_no bigint primary key generated always as identity,
  job_no bigint not null,
  pos bigint not null,
  kind text not null,
  link integer,
  link_url text,
  agent text,
  family text,
  address inet,
  user_agent text,
  detail text,
  at timestamptz not null,
  constraint kind_is_known check (kind in ('open', 'click', 'unsubscribe', 'bounce', 'complaint')),
  constraint agent_is_known check (agent in ('human', 'google_proxy', 'yahoo_proxy', 'apple_mpp', 'google_prefetch', 'scanner')),
  constraint what_readers_do_has_an_agent check ((kind in ('open', 'click', 'unsubscribe')) = (agent is not null)),
  constraint clicks_have_links check ((kind = 'click') = (link is not null) and (kind = 'click') = (link_url is not null))
);

create index tracking_event_of_recipient on campaign.tracking_event (job_no, pos, at);

-- Opens and clicks are counted; the rest is true once.
create unique index tracking_event_once on campaign.tracking_event (job_no, pos, kind) where kind in ('unsubscribe', 'bounce', 'complaint');

comment on table campaign.tracking_event is
'What came back of mails, append-only, except that agent becomes scanner when later events show that nobody reads so fast.';
comment on column campaign.tracking_event.link is 'Number of the link in the mail, from 1; link_url: where it leads, its first 2,000 characters.';
comment on column campaign.tracking_event.agent is
'Who it was, as far as can be told. human, google_proxy and yahoo_proxy (image proxies that fetch when a person looks) count as people; apple_mpp and google_prefetch fetch every image, scanner every link.';
comment on column campaign.tracking_event.family is 'Family of the user agent, e.g. Chrome.';
comment on column campaign.tracking_event.address is 'Of the reader, cut to /24 or /48 unless the setting reader_details is full.';
comment on column campaign.tracking_event.user_agent is 'As it came, its first 1,000 characters; only where reader_details is full.';
comment on column campaign.tracking_event.detail is 'Words of whoever reported a bounce or complaint.';
