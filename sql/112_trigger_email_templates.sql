create function campaign._check_template_row()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(new.slug !~ '^[a-z0-9]+(-[a-z0-9]+)*$' or length(new.slug) > 100, true) then
    raise exception using
      errcode = 'CP008',
      message = format('a template cannot have the slug %L', left(new.slug, 100)),
      detail = 'The slug names the template in start_campaign and in addresses: lower-case letters, digits, single dashes between them, at most 100.',
      hint = 'For example thanks-for-coming.';
  end if;
  if not coalesce(length(new.name) between 1 and 200, false) then
    raise exception using
      errcode = 'CP008',
      message = format('the name of template %s cannot have %s characters', new.slug, coalesce(length(new.name), 0)),
      detail = 'The name is what people call the template: 1 to 200 characters.',
      hint = 'For example Thanks for coming.';
  end if;
  perform campaign._check_content('template ' || new.slug, new.subject, new.html, new.text, new.variables);
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
