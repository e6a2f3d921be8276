-- What a token says, if the key of its campaign signed it for a recipient that there is; else no row.
create function campaign._genuine_token(p_token text)
returns table (kind text, job_no bigint, pos bigint, link integer)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return query
    select t.kind, t.job_no, t.pos, t.link
    from campaign._read_token(p_token) t
    join campaign.email_jobs j on j.job_no = t.job_no
    join campaign.signing_key k on k.key_id = t.key_id
    where j.signing_key_id = t.key_id
      and k.retired_at is null
      and campaign._token_is_genuine(p_token, k.secret)
      and exists (select from campaign.recipient r where r.job_no = t.job_no and r.pos = t.pos);
end
$$;
