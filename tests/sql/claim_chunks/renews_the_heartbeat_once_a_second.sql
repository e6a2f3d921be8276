begin;
\ir ../_protocol.sql
select plan(4);

create function heard() returns timestamptz language sql as $$ select r.heartbeat_at from campaign.runner r where r.runner_id = runner(1) $$;
select campaign.now() as before \gset

select advance('0.9 s');
select claim(1);
select is(heard(), :'before', 'what was said within a second is not written again');
select advance('0.1 s');
select claim(1);
select is(heard(), campaign.now(), 'a claim says that its runner lives');
select advance('0.5 s');
select campaign.heartbeat(runner(1), '[]');
select is(heard(), campaign.now(), 'a heartbeat is always written');
select advance('-1 h');
select claim(1);
select is(heard(), campaign.now(), 'so is the first sign of life after the clock was set back');

select * from finish();
rollback;
