-- How many positions of a lease may be open at once: its connections, and a quarter of a second's mails to keep them busy; never
-- more than half a chunk of these, so that a dead runner leaves no whole chunk in doubt, however high the rate, or without one.
create function campaign._send_window(p_job_no bigint)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select least(1000, (j.config ->> 'concurrency')::bigint + greatest(1, least(
      ceil(0.25 * least((j.config ->> 'rate_limit')::numeric, i.rate_limit))::bigint,
      j.chunk_size / 2)))
    from campaign.email_jobs j
    join campaign.email_integrations i on i.id = j.integration_id
    where j.job_no = p_job_no);
end
$$;
