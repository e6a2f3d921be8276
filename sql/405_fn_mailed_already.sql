-- Who has, or may have, mail of another campaign with the same dedupe key.
create function campaign._mailed_already(p_job_no bigint)
returns table (recipient_key text, folded text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.recipient_key, campaign._fold_address(s.email)
  from campaign.email_jobs me
  join campaign.email_jobs j on j.dedupe_key = me.dedupe_key and j.job_no <> me.job_no
  join campaign.recipient_state s on s.job_no = j.job_no
  where me.job_no = p_job_no and s.state in ('sent', 'uncertain', 'pending')
$$;
