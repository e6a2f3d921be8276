-- Roles are cluster-wide: a second database, or a restored dump, finds them there already.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['campaign_owner', 'campaign_admin', 'campaign_operator', 'campaign_runner', 'campaign_reader'] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = v_role) then
      execute pg_catalog.format('create role %I nologin', v_role);
    end if;
  end loop;
  -- Has the rights of a token for as long as it acts as that token's owner, never of itself.
  if not exists (select from pg_catalog.pg_roles r where r.rolname = 'campaign_server') then
    create role campaign_server nologin noinherit;
  end if;
end
$$;

comment on schema campaign is 'E-mail campaigns: pg_campaign. Names that begin with an underscore are private.';

comment on role campaign_owner is 'Owns the objects of pg_campaign, so that its SECURITY DEFINER functions never run as a superuser. Nobody logs in as it.';
comment on role campaign_admin is 'pg_campaign: templates, segments, integrations, and all that an operator may do.';
comment on role campaign_operator is 'pg_campaign: starts, pauses, resumes, cancels campaigns.';
comment on role campaign_runner is 'pg_campaign: the calls of a runner (claim, report, …) and nothing else.';
comment on role campaign_reader is 'pg_campaign: reads campaigns, progress and outcomes.';
comment on role campaign_server is 'pg_campaign: campaign-runner serve. Acts for the owners of API tokens, with their rights, and records what readers of mails do.';
