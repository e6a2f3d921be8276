create view campaign.uncertain_deliveries as
select
  s.job_id,
  s.pos,
  s.recipient_key,
  s.email,
  d.cause,
  d.since,
  d.quiet_until
from campaign.doubt d
join campaign.recipient_state s on s.job_no = d.job_no and s.pos = d.pos
where s.state = 'uncertain'
  and (d.decision is null or d.decision = 'resend')
  and not exists (
    select from campaign.doubt l
    where l.job_no = d.job_no and l.pos = d.pos and l.chunk_no > d.chunk_no and (l.decision is null or l.decision = 'resend'));

comment on view campaign.uncertain_deliveries is
'Recipients of whom nobody can know whether the relay accepted their mail (RFC 1047); resolve_uncertain decides. The relay''s log may tell: look for the Message-ID <job.position@domain>, the job''s id without dashes.';
comment on column campaign.uncertain_deliveries.cause is 'How it came: the runner died, or no reply to the final dot.';
comment on column campaign.uncertain_deliveries.quiet_until is 'After this time nothing of the mail can be under way any more: a resend waits for it.';
