-- PL/pgSQL for its kept plans: readers wait for this one.
create function campaign.click_url(token text)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return (
    select campaign._link_url(v.html, v.variables, r.email,
      j.public_url || '/unsubscribe?t=' || campaign._make_token('unsubscribe', k.key_id, t.job_no, t.pos, k.secret),
      r.vars, j.public_url, t.link)
    from campaign._genuine_token(click_url.token) t
    join campaign.recipient r on r.job_no = t.job_no and r.pos = t.pos
    join campaign.email_jobs j on j.job_no = t.job_no
    join campaign.signing_key k on k.key_id = j.signing_key_id
    join campaign.template_version v on v.template_id = j.template_id and v.version = j.template_version
    where t.kind = 'click');
end
$$;

comment on function campaign.click_url(text) is
'Where a link of a mail leads, found by rendering the mail again: the token carries no address, so nobody can make it lead elsewhere. Records nothing. Null: no genuine token of a click.';
