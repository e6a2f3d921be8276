begin;
\ir ../_protocol.sql
select plan(3);

select start_job(2, '{"chunk_size": 2}') as job \gset
create temp table seen (epoch bigint primary key);
do $$
begin
  for i in 1..4 loop
    perform claim(1);
    insert into seen select c.epoch from campaign.chunk c;
    perform release(1, c.job_no, c.chunk_no) from campaign.chunk c;
    insert into seen select c.epoch from campaign.chunk c;
  end loop;
end
$$;
select is((select count(*) from seen), 8::bigint, 'eight epochs with the clock standing still');
select advance('-1 h');
select claim(1);
select lives_ok($$ insert into seen select c.epoch from campaign.chunk c where c.epoch > (select max(epoch) from seen) $$, 'a clock set back repeats none');
select is((select count(*) from seen), 9::bigint, 'it rises all the same');

select * from finish();
rollback;
