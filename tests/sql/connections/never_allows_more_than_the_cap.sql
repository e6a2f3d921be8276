begin;
\ir ../_protocol.sql
select plan(22);

select campaign.register_runner(runner(r), 'host', r, '0.1.0', 1) from generate_series(3, 4) r;
update campaign.email_integrations set max_connections = 6 returning id as relay \gset
create function ask(p_runner integer, p_keep integer, p_want integer) returns integer language sql as $$
  select (campaign.connections(runner(p_runner), (select id from campaign.email_integrations), p_keep, p_want) ->> 'allowed')::integer
$$;
select is(ask(1, 0, 10), 6, 'alone a runner gets all');
select is(ask(2, 0, 10), 0, 'another one waits until it has let go');
select is(ask(1, 6, 10), 3, 'which it hears when it asks: its fair share');
select is(ask(2, 0, 10), 0, 'it has not let go yet');
select is(ask(1, 3, 10), 3, 'now it has');
select is(ask(2, 0, 10), 3, 'the other half');
select is(ask(3, 0, 1), 0, 'a third one wants one');
select is(ask(1, 3, 10), 2, 'who want much share what is left');
select is(ask(2, 3, 10), 3, 'as far as it goes');
select is(ask(1, 2, 10), 2, 'let go');
select is(ask(3, 0, 1), 1, 'there is one');
select is((select sum(may_hold) from campaign.relay_connection), 6::bigint, 'six in all');

select is(ask(2, 0, 0), 0, 'who needs none');
select is_empty(format('select from campaign.relay_connection where runner_id = %L', runner(2)), 'leaves no trace');
select is(ask(1, 2, 10), 5, 'and room for others');
select fall_silent(1);
select is(ask(3, 1, 4), 4, 'a dead runner counts no more');
select campaign.unregister_runner(runner(1));
select is((select array_agg(runner_id) from campaign.relay_connection), array[runner(3)], 'one that has gone is forgotten');
select is(ask(9, 0, 4), 0, 'a stranger gets none');
select is(campaign.connections(runner(2), gen_random_uuid(), 0, 4), '{"allowed": 0}', 'nor is there any to an unknown relay');

update campaign.email_integrations set max_connections = 2;
select is(ask(3, 4, 4), 2, 'a smaller cap is heard at the next call');
update campaign.email_integrations set max_connections = null;
select is(ask(3, 2, 4), null, 'no cap');
update campaign.email_integrations set max_connections = 5;
select is(ask(2, 0, 4), 1, 'what a runner opened without a cap counts, once there is one');

select * from finish();
rollback;
