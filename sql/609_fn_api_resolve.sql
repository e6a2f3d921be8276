-- By the keys of recipients, where resolve_uncertain takes their addresses. p_keys: null for all.
create function campaign._api_resolve(p_job uuid, p_decision text, p_keys text[], p_force boolean)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_job campaign.email_jobs := campaign._find_job(p_job);
  v_emails text[];
  v_unknown text[];
begin
  if p_keys is not null then
    select array_agg(u.email) filter (where u.email is not null), array_agg(k.key) filter (where u.email is null)
    into v_emails, v_unknown
    from (select distinct k as key from unnest(p_keys) k) k
    left join campaign.uncertain_deliveries u on u.job_id = v_job.id and u.recipient_key = k.key;
    if v_unknown is not null then
      raise exception using
        errcode = 'CP013',
        message = format('%s of %s recipients are not uncertain in campaign %s', cardinality(v_unknown), cardinality(p_keys), v_job.id),
        detail = format('Among them: %s. Nothing was decided.', array_to_string(v_unknown[1:5], ', ')),
        hint = 'GET /api/campaigns/{id}/uncertain lists who is.';
    end if;
  end if;
  return jsonb_build_object('job', campaign._api_job(
    campaign.resolve_uncertain(v_job.id, p_decision, case when p_keys is not null then coalesce(v_emails, '{}') end, p_force)));
end
$$;
