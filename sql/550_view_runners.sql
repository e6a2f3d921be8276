create view campaign.runners as
select
  r.runner_id,
  r.host,
  r.pid,
  r.version,
  r.heartbeat_at > campaign.now() - campaign._setting_interval('stale_after') as alive,
  c.jobs,
  c.leases,
  c.open,
  t.trouble,
  r.started_at,
  r.heartbeat_at
from campaign.runner r
cross join lateral (
  select count(*) as leases, count(distinct k.job_no) as jobs, coalesce(sum(k.passed - k.recorded), 0)::bigint as open
  from campaign.chunk k
  where k.state = 'leased' and k.runner_id = r.runner_id
) c
cross join lateral (
  select string_agg(format('%s: %s: %s', i.name, x.phase, x.detail), '; ' order by i.name) as trouble
  from campaign.relay_trouble x
  join campaign.email_integrations i on i.id = x.integration_id
  where x.runner_id = r.runner_id
) t;

comment on view campaign.runners is
'Runner processes. One that ended properly is gone; one that died stays for a day.';
comment on column campaign.runners.alive is 'Heard within stale_after (30 s). The leases of others are given to those who live.';
comment on column campaign.runners.jobs is 'Campaigns that it works on.';
comment on column campaign.runners.open is 'Recipients whose mail may be under way: what would be uncertain if it died now.';
comment on column campaign.runners.trouble is 'Relays to which it cannot open a connection: where in the dialogue that ends, and how.';
