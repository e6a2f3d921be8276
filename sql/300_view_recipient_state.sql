-- The one definition of a recipient's state; counters, the proof of finish and check_campaign all ask it.
-- A range chunk is found by arithmetic, so every look-up goes by primary key.
create view campaign.recipient_state as
select
  j.id as job_id,
  r.job_no,
  r.pos,
  r.recipient_key,
  r.email,
  case
    when a.sent then 'sent'
    when q.queued or c.in_hand then 'pending'
    when d.is_open or d.resend then 'uncertain'
    when d.assumed_sent then 'sent'
    when a.failed then 'failed'
    when a.suppressed then 'suppressed'
    when j.status = 'cancelled' then 'cancelled'
    else 'lost'
  end as state,
  a.attempts,
  a.last_at
from campaign.recipient r
join campaign.email_jobs j on j.job_no = r.job_no
cross join lateral (
  select
    coalesce(bool_or(t.outcome = 'sent'), false) as sent,
    coalesce(bool_or(t.outcome = 'failed'), false) as failed,
    coalesce(bool_or(t.outcome = 'suppressed'), false) as suppressed,
    count(*) filter (where t.outcome in ('sent', 'failed', 'deferred', 'uncertain')) as attempts,
    max(t.at) as last_at
  from campaign.attempt t
  where t.job_no = r.job_no and t.pos = r.pos
) a
cross join lateral (
  select exists (select from campaign.retry_item i where i.job_no = r.job_no and i.pos = r.pos) as queued
) q
cross join lateral (
  select exists (
    select
    from campaign.chunk k
    where k.job_no = r.job_no
      and k.chunk_no = (r.pos - 1) / j.chunk_size + 1
      and k.state in ('ready', 'leased')
      and (r.pos > k.mark
        or (not exists (select from campaign.attempt t where t.job_no = r.job_no and t.pos = r.pos and t.chunk_no = k.chunk_no)
          and not exists (select from campaign.doubt u where u.job_no = r.job_no and u.pos = r.pos and u.chunk_no = k.chunk_no)))
  ) as in_hand
) c
cross join lateral (
  select
    coalesce(bool_or(u.decision is null), false) as is_open,
    coalesce(bool_or(u.decision = 'sent'), false) as assumed_sent,
    coalesce(bool_or(u.decision = 'resend' and not exists (
      select
      from campaign.attempt t
      where t.job_no = r.job_no and t.pos = r.pos and t.outcome = 'failed' and t.chunk_no > u.chunk_no)), false) as resend
  from campaign.doubt u
  where u.job_no = r.job_no and u.pos = r.pos
) d;

comment on view campaign.recipient_state is
'Each recipient of each campaign in exactly one state: sent, pending, uncertain, failed, suppressed or cancelled.';
comment on column campaign.recipient_state.attempts is 'How often a mail to the recipient was attempted.';
comment on column campaign.recipient_state.last_at is 'When the last outcome was recorded.';
