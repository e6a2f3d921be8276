-- Recipients about whom a person can decide: an open doubt, a resend that still waits, or one that came to nothing (its recipient
-- was suppressed, or the campaign cancelled).
create function campaign._undecided(p_job_no bigint)
returns setof campaign.doubt
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select d.*
  from campaign.doubt d
  join campaign.recipient_state s on s.job_no = d.job_no and s.pos = d.pos
  where d.job_no = p_job_no
    and (
      (d.decision is null and s.state in ('uncertain', 'pending'))
      or (d.decision = 'resend' and (s.state = 'uncertain' or exists (
        select from campaign.retry_item i where i.job_no = d.job_no and i.pos = d.pos and i.chunk_no is null))))
$$;
