begin;
\ir ../_protocol.sql
select plan(5);

update campaign.email_integrations set rate_limit = 20 returning id as integration \gset
select start_job(100) as first \gset
select start_job(100) as second \gset
select start_job(100) as third \gset
create function granted(p_job bigint) returns bigint language sql as $$
  select (campaign.grant(runner(1), (select id from campaign.email_integrations), p_job, 100) ->> 'granted')::bigint
$$;
select claim(1);
select is(granted(:first), 20::bigint, 'a job alone gets all');
select claim(1, 2);
select advance('1 s');
select is(granted(:first), 7::bigint, 'one of three its third, though it asks first');
select is(granted(:second), 7::bigint, 'so does the next');
select is(granted(:third), 6::bigint, 'and the rest is the last one''s');
select advance('1 s');
select is(granted(:third) + granted(:second) + granted(:first), 20::bigint, 'nothing is wasted');

select * from finish();
rollback;
