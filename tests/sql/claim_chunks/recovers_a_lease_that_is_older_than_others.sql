begin;
\ir ../_protocol.sql
select plan(3);

create function beat() returns void language sql as $$ select campaign.heartbeat(runner(1), known(1)) $$;
select start_job(20, '{"chunk_size": 2}') as job \gset

select claim(1);
select epoch_of(:job, 1) as first_epoch \gset
select advance('1 s');
select claim(1);
select beat();
select report(1, :job, 2, 4);
select report(1, :job, 2, null, '3 sent 250, 4 sent 250');
select beat();
select claim(1);
select beat();
select campaign.claim_chunks(runner(1), 1, jsonb_build_array(jsonb_build_object('job_no', :job, 'chunk_no', 3, 'epoch', epoch_of(:job, 3))));
select cmp_ok(epoch_of(:job, 1), '>', :first_epoch::bigint, 'however many leases came and went since');
select is((select n from campaign.runner r cross join lateral (select count(*) as n from campaign.chunk c where c.runner_id = r.runner_id and c.epoch < r.leases_from) x
  where r.runner_id = runner(1)), 0::bigint, 'no lease is below leases_from');

-- The clock is set back: a lease is still not older than what the runner has seen end.
select report(1, c.job_no, c.chunk_no, c.last_pos), report(1, c.job_no, c.chunk_no, null, format('%s sent 250, %s sent 250', c.first_pos, c.last_pos))
from campaign.chunk c where c.state = 'leased';
select claim(1);
select beat();
select advance('-1 hour');
select claim(1);
select is((select count(*) from campaign.chunk c join campaign.runner r using (runner_id) where c.epoch >= r.leases_from), 2::bigint,
  'nor after the clock was set back');

select * from finish();
rollback;
