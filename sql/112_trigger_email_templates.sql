create function campaign._check_template_row()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_problem jsonb;
begin
  if coalesce(new.slug !~ '^[a-z0-9]+(-[a-z0-9]+)*$', true) then
    raise exception using
      errcode = 'CP008',
      message = format('a template cannot have the slug %L', new.slug),
      detail = 'The slug names the template in start_campaign and in addresses: lower-case letters, digits, single dashes between them.',
      hint = 'For example thanks-for-coming.';
  end if;
  if not coalesce(new.subject ~ '\S' and new.html ~ '\S', false) then
    raise exception using
      errcode = 'CP008',
      message = format('template %s has no %s', new.slug, case when coalesce(new.subject ~ '\S', false) then 'html' else 'subject' end),
      detail = 'A mail has a subject and an HTML part; a text part is made from the HTML where there is none.',
      hint = 'For example subject ''Hi {{first_name}}'', html ''<p>Hi {{first_name}}</p>''.';
  end if;
  v_problem := campaign._check_template(new.subject, new.html, new.text, new.variables);
  if v_problem is not null then
    raise exception using
      errcode = 'CP009',
      message = format('template %s: %s', new.slug, v_problem ->> 'message'),
      detail = format('%s, line %s, column %s.', v_problem ->> 'part', v_problem ->> 'line', v_problem ->> 'column'),
      hint = coalesce(v_problem ->> 'hint', 'Variables are first_name, name, email, unsubscribe_url, and those listed in the column "variables".');
  end if;
  if tg_op = 'UPDATE' then
    if (new.subject, new.html, new.text, new.variables) is distinct from (old.subject, old.html, old.text, old.variables) then
      new.version := old.version + 1;
      new.updated_at := campaign.now();
    else
      new.version := old.version;
    end if;
  end if;
  return new;
end
$$;

create function campaign._keep_template_version()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into campaign.template_version (template_id, version, subject, html, text, variables, used_variables)
  values (new.id, new.version, new.subject, campaign._inline_css(new.html), new.text, new.variables,
          campaign._template_variables(new.subject, new.html, new.text, new.variables));
  return null;
end
$$;

-- A version is written once. A dump carries templates and versions: loading the template has written its version already.
create function campaign._skip_known_template_version()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from campaign.template_version v where v.template_id = new.template_id and v.version = new.version) then
    return null;
  end if;
  return new;
end
$$;

create trigger template_is_valid
before insert or update on campaign.email_templates
for each row execute function campaign._check_template_row();

create trigger template_version_is_kept
after insert or update on campaign.email_templates
for each row execute function campaign._keep_template_version();

create trigger known_template_version_is_skipped
before insert on campaign.template_version
for each row execute function campaign._skip_known_template_version();
