begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(13);

update public.guest set email = 'ADA@Bücher.example' where id = 1;
insert into campaign.suppressions (email, reason) values ('grace@example.com', 'manual');
select start_tracked() as job \gset
select is((select email from campaign.recipient where job_no = :job and pos = 1), 'ADA@Bücher.example', 'an address as somebody wrote it');
select is(campaign.record_unsubscribe(token('unsubscribe', :job, 1), :'browser', '2001:db8:1:2::3'), true, 'the first time');
select is(campaign.record_unsubscribe(token('unsubscribe', :job, 1), :'google'), true, 'the second time, as if it were the first');
select results_eq('select email, reason from campaign.suppressions order by email', $$ values ('ada@xn--bcher-kva.example', 'unsubscribe'), ('grace@example.com', 'manual') $$,
  'the address is suppressed, in the form by which addresses are compared');
select results_eq(format('select pos, kind, agent, family, address, user_agent from campaign.tracking_event where job_no = %s', :job),
  $$ values (1::bigint, 'unsubscribe', 'human', 'Firefox', inet '2001:db8:1::/48', null::text) $$, 'and recorded once');

delete from campaign.suppressions;
insert into campaign.suppressions (email, reason) values ('alan@example.com', 'bounce');
select is(campaign.record_unsubscribe(token('unsubscribe', :job, 1)), true, 'an admin had lifted the suppression');
select is((select count(*) from campaign.suppressions), 2::bigint, 'it is there again');
select is(campaign.record_unsubscribe(token('unsubscribe', :job, 2)), true, 'somebody who is suppressed');

create function reason_after_unsubscribing(p_job bigint, p_before text) returns text language plpgsql as $$
begin
  delete from campaign.suppressions;
  insert into campaign.suppressions (email, reason) values ('alan@example.com', p_before);
  perform campaign.record_unsubscribe(token('unsubscribe', p_job, 2));
  return (select string_agg(email || ' ' || reason, ', ') from campaign.suppressions);
end
$$;
select is(reason_after_unsubscribing(:job, b), 'alan@example.com unsubscribe', format('who said no, stays when suppressions by %s are cleared', b)) from unnest('{bounce,manual}'::text[]) b;
select is(reason_after_unsubscribing(:job, 'complaint'), 'alan@example.com complaint', 'a complaint says it more loudly');
select is(reason_after_unsubscribing(:job, 'unsubscribe'), 'alan@example.com unsubscribe', 'nothing changes where that is the reason already');
select campaign.record_bounce('alan@example.com');
select is((select reason from campaign.suppressions where email = 'alan@example.com'), 'unsubscribe', 'a bounce later on changes nothing');

select * from finish();
rollback;
