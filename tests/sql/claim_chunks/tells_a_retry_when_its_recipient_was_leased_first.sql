begin;
\ir ../_protocol.sql
select plan(1);

select start_job(4, '{"chunk_size": 2}') as job \gset
select campaign.now() as first \gset
select claim(1);
select report(1, :job, 1, 2);
select report(1, :job, 1, null, '1 sent 250, 2 deferred 451');
select advance('1 min');
select claim(2);
select report(2, :job, 2, 4);
select report(2, :job, 2, null, '3 deferred 451, 4 sent 250');
select advance('2 min');
select campaign.tick();
select results_eq($$ select kind, positions, first_leased_at from campaign.claim_chunks(runner(1), 1, '[]') $$,
  format($$ values ('retry', '{2,3}'::bigint[], array[%L::timestamptz, %L::timestamptz + interval '1 min']) $$, :'first', :'first'),
  'each retry is the same mail, byte for byte, as the first attempt');

select * from finish();
rollback;
