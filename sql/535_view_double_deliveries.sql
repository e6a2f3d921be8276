create view campaign.double_deliveries as
select
  r.job_id,
  r.pos,
  r.recipient_key,
  r.email,
  a.accepted,
  a.first_at,
  a.last_at,
  a.resend_asked
from (
  select t.job_no, t.pos, count(*) as accepted, min(t.at) as first_at, max(t.at) as last_at, d.resend_asked
  from (
    select u.job_no, u.pos, bool_or(u.resend_asked) as resend_asked from campaign.doubt u group by u.job_no, u.pos
  ) d
  join campaign.attempt t on t.job_no = d.job_no and t.pos = d.pos and t.outcome = 'sent'
  group by t.job_no, t.pos, d.resend_asked
  having count(*) > 1
) a
join campaign.recipient_state r on r.job_no = a.job_no and r.pos = a.pos;

comment on view campaign.double_deliveries is
'Recipients whose mail was accepted more than once: somebody or on_uncertain had it sent again while it was not known that the first had been accepted. All copies have one Message-ID, by which mailboxes may fold them.';
comment on column campaign.double_deliveries.accepted is 'How many mails were accepted.';
comment on column campaign.double_deliveries.first_at is 'When the first acceptance was recorded, and the last: last_at.';
comment on column campaign.double_deliveries.resend_asked is 'Whether a resend was decided. Never false: see check_campaign.';
