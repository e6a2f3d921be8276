-- Who has, or may have, mail of another campaign than p_but with the same dedupe key.
create function campaign._mailed_already(p_dedupe_key text, p_but bigint)
returns table (recipient_key text, folded text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.recipient_key, campaign._fold_address(s.email)
  from campaign.email_jobs j
  join campaign.recipient_state s on s.job_no = j.job_no
  where j.dedupe_key = p_dedupe_key and j.job_no is distinct from p_but and s.state in ('sent', 'uncertain', 'pending')
$$;
