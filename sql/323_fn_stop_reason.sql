-- Why a relay's answer paused a campaign: what kind of answer, the answer, what to do. Without a rule it was the runner that judged:
-- a certificate, a file or a variable that is missing on its host.
create function campaign._stop_reason(p_integration_id uuid, p_answer jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('relay %s %s: %s. %s Then resume_campaign.',
    (select i.name from campaign.email_integrations i where i.id = p_integration_id),
    case p_answer ->> 'class'
      when 'auth' then case when p_answer ->> 'code' is not null then 'refuses the login' else 'allows no login' end
      when 'tls' then 'offers no encryption that could be trusted'
      when 'config' then 'cannot be used'
      when 'refused' then 'refuses the connection'
      when 'sender' then 'refuses the sender'
      when 'relay_denied' then 'takes no mail for others'
      when 'content' then 'refuses the mail'
      when 'protocol' then 'does not understand the runner'
      else concat('stops the campaign', ' (' || replace(p_answer ->> 'class', '_', ' ') || ')') end,
    rtrim(concat_ws(' ', p_answer ->> 'code', coalesce(left(p_answer ->> 'detail', 500), 'no reply')), '. '),
    coalesce(
      (select r.advice from campaign.smtp_rules r where r.id = (p_answer ->> 'rule')::integer),
      case p_answer ->> 'class'
        when 'auth' then 'Check username and password in the integration''s config.'
        when 'tls' then 'Check the relay''s certificate, and host, port, "tls" and "ca_file" in the integration''s config.'
        when 'config' then 'Check the integration''s config, and what it names on the runner''s host.' end,
      'Mend the cause.'))
$$;
