create function campaign._count_revision()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.revision := old.revision + (new.config is distinct from old.config)::integer;
  return new;
end
$$;

create trigger revision_counts_changes_of_config
before update on campaign.email_integrations
for each row execute function campaign._count_revision();
