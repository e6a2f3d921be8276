-- What start_campaign and plan_campaign check before an audience is read. needed: the variables that the mail reads and
-- the audience has to give.
-- Of the integration it answers what its caller may know: no config.
create function campaign._check_start(
  p_segment text,
  p_template text,
  p_event_id uuid,
  p_subject text,
  p_config jsonb,
  p_integration text,
  p_audience_query text,
  p_dedupe_key text,
  out template campaign.email_templates,
  out integration_id uuid,
  out integration_rate_limit numeric,
  out subject text,
  out config jsonb,
  out audience_query text,
  out dedupe_key text,
  out needed text[],
  out public_url text
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_problem jsonb;
  v_integration campaign.email_integrations;
begin
  template := campaign._find_template(p_template);
  config := campaign._check_config(p_config);
  subject := coalesce(p_subject, template.subject);

  if not coalesce(length(p_dedupe_key) between 1 and 200, true) then
    raise exception using
      errcode = 'CP008',
      message = format('a dedupe_key cannot have %s characters', length(p_dedupe_key)),
      detail = 'It has 1 to 200 characters; whoever has mail of a campaign with the same dedupe_key is left out.',
      hint = 'Leave it out: event, segment and template make one.';
  end if;
  dedupe_key := coalesce(p_dedupe_key, campaign._default_dedupe_key(p_event_id, p_segment, template.id));

  perform campaign._check_event(p_event_id);

  v_integration := campaign._find_integration(p_integration);
  integration_id := v_integration.id;
  integration_rate_limit := v_integration.rate_limit;
  config := jsonb_build_object('concurrency', least(100, coalesce(v_integration.max_connections, 3))) || config;

  if p_audience_query is not null then
    if p_segment is distinct from 'custom' then
      raise exception using
        errcode = 'CP010',
        message = format('audience_query does not go with segment %L', p_segment),
        detail = 'A segment has a query of its own; only custom takes one from its caller.',
        hint = 'Use segment => ''custom'' with audience_query, or the segment''s own query without it.';
    end if;
    audience_query := p_audience_query;
  else
    audience_query := (campaign._find_segment(p_segment)).query;
  end if;

  if subject !~ '\S' then
    raise exception using
      errcode = 'CP008',
      message = 'subject is empty',
      detail = 'Many mail programs take a mail without a subject for junk.',
      hint = 'Leave subject out to use the template''s.';
  end if;
  perform campaign._check_subject(subject);
  v_problem := campaign._check_template(subject, template.html, template.text, template.variables);
  if v_problem is not null then
    raise exception using
      errcode = 'CP009',
      message = format('subject: %s', v_problem ->> 'message'),
      detail = format('%s, line %s, column %s.', v_problem ->> 'part', v_problem ->> 'line', v_problem ->> 'column'),
      hint = coalesce(v_problem ->> 'hint', 'Variables are first_name, name, email, unsubscribe_url, and those declared by the template.');
  end if;
  needed := array_remove(
    campaign._template_variables(subject, template.html, template.text, template.variables), 'email');
  public_url := (select s.value from campaign.setting s where s.name = 'public_url');
  if 'unsubscribe_url' = any (needed) and public_url is null then
    raise exception using
      errcode = 'CP008',
      message = format('template %s reads unsubscribe_url, and there is none', template.slug),
      detail = 'The setting public_url says where the links in mails begin.',
      hint = 'Set it: insert into campaign.setting (name, value) values (''public_url'', ''https://mail.example.com''), where campaign-runner serve is reached.';
  end if;
  needed := array_remove(needed, 'unsubscribe_url');
end
$$;
